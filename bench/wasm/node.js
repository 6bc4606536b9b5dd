// A kernel in V8: node [--liftoff-only] node.js MODULE ROUNDS REPEATS prints "CHECKSUM NANOSECONDS".
// With "compile" for ROUNDS: "NANOSECONDS" of compiling the module.
const [path, rounds, repeats] = process.argv.slice(2);
const bytes = require('fs').readFileSync(path);
let best = Infinity, sum = 0;
if (rounds === 'compile') {
    for (let i = 0; i < Number(repeats); i++) {
        const copy = new Uint8Array(bytes); // V8 caches by content: change an unused byte
        const tail = new Uint8Array([0, 3, 1, 120, i]); // custom section "x"
        const module = new Uint8Array(copy.length + tail.length);
        module.set(copy);
        module.set(tail, copy.length);
        const start = process.hrtime.bigint();
        new WebAssembly.Module(module);
        best = Math.min(best, Number(process.hrtime.bigint() - start));
    }
    console.log(best);
} else {
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {});
    for (let i = 0; i < Number(repeats); i++) {
        const start = process.hrtime.bigint();
        sum = instance.exports.run(Number(rounds)) >>> 0;
        best = Math.min(best, Number(process.hrtime.bigint() - start));
    }
    console.log(sum, best);
}
