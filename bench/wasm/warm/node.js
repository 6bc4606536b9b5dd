// The same program in node: compiled and instantiated anew, as node keeps no code of WebAssembly.
const fs = require('fs');
let memory;
const wasi = {
    clock_time_get: (clock, precision, at) => {
        const used = process.cpuUsage();
        const time = clock == 1 ? process.hrtime.bigint() : BigInt(used.user + used.system) * 1000n;
        new DataView(memory.buffer).setBigUint64(at, time, true);
        return 0;
    },
    fd_write: (fd, parts, count, written) => {
        const view = new DataView(memory.buffer);
        const at = view.getUint32(parts, true), size = view.getUint32(parts + 4, true);
        fs.writeSync(1, Buffer.from(memory.buffer, at, size));
        view.setUint32(written, size, true);
        return 0;
    },
};
const module_ = new WebAssembly.Module(fs.readFileSync(process.argv[2]));
const imports = {};
for (const {module, name} of WebAssembly.Module.imports(module_))
    (imports[module] ??= {})[name] = wasi[name] ?? (() => 8);
const instance = new WebAssembly.Instance(module_, imports);
memory = instance.exports.memory;
instance.exports._start();
