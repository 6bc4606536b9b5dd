// A WASI program in V8: node [--liftoff-only] node_wasi.js DIRECTORY MODULE ARGUMENT..., DIRECTORY as its "/".
const [directory, path, ...rest] = process.argv.slice(2);
const {WASI} = require('node:wasi');
const wasi = new WASI({version: 'preview1', args: [path, ...rest], preopens: {'/': directory}});
const module_ = new WebAssembly.Module(require('fs').readFileSync(path));
process.exitCode = wasi.start(new WebAssembly.Instance(module_, wasi.getImportObject()));
