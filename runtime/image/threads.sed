# wasm2c does atomic instructions on a memory that is not declared shared by plain ones; ours is shared all the
# same. (Declared so, it has no fill and copy.)
s/\(i[36][24]_atomic_[a-z0-9_]*\)_default32(\([^,]*, [^,]*, \)instance->w2c_env_memory/\1_shared_default32(\2(wasm_rt_shared_memory_t *)(void *)instance->w2c_env_memory/g
