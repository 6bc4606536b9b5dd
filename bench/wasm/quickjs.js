// The script that QuickJS runs: qjs quickjs.js ROUNDS REPEATS prints "CHECKSUM NANOSECONDS", the fastest repeat.
// Objects with methods, closures, a tree, sorting, strings, regular expressions, JSON, typed arrays, big integers.
import * as std from 'std';

let sum = 0;
function mix(value) {
    sum = (Math.imul(sum ^ value, 0x01000193) ^ (sum >>> 15)) >>> 0;
}

class Tree {
    constructor() {
        this.root = null;
        this.size = 0;
    }
    insert(key, value) {
        const node = {key, value, left: null, right: null};
        this.size++;
        if (!this.root) {
            this.root = node;
            return;
        }
        for (let at = this.root;;) {
            const side = key < at.key ? 'left' : 'right';
            if (!at[side]) {
                at[side] = node;
                return;
            }
            at = at[side];
        }
    }
    *walk(node = this.root) {
        if (!node)
            return;
        yield* this.walk(node.left);
        yield node;
        yield* this.walk(node.right);
    }
}

function tree(random) {
    const tree = new Tree();
    for (let i = 0; i < 300; i++)
        tree.insert(random() % 10007, i);
    let order = 0;
    for (const node of tree.walk())
        mix(node.key * ++order + node.value);
}

function sorting(random) {
    const rows = Array.from({length: 400}, (_, i) => ({id: i, weight: random() % 1000, name: 'n' + random() % 77}));
    rows.sort((a, b) => a.weight - b.weight || (a.name < b.name ? -1 : a.name > b.name ? 1 : a.id - b.id));
    const groups = new Map();
    for (const {name, weight} of rows)
        groups.set(name, (groups.get(name) ?? 0) + weight);
    for (const [name, weight] of groups)
        mix(weight + name.length);
    mix(rows.filter(row => row.weight & 1).map(row => row.id).reduce((a, b) => a * 31 + b | 0, 7));
}

function strings(random) {
    let text = '';
    for (let i = 0; i < 250; i++)
        text += `item ${random() % 500}=${(random() % 10000) / 100}; `;
    let found = 0;
    for (const [, number, value] of text.matchAll(/item (\d+)=([0-9.]+);/g))
        found += Number(number) + Math.round(parseFloat(value) * 100);
    mix(found);
    mix(text.replace(/\d/g, digit => 9 - digit).split(';').map(part => part.trim()).join('|').length);
    const object = JSON.parse(JSON.stringify({text, list: text.split(' '), nested: {a: [1, 2.5, null, true]}}));
    mix(object.list.length + object.text.charCodeAt(random() % object.text.length));
}

function numbers(random) {
    const size = 24, a = new Float64Array(size * size), b = new Int32Array(size * size);
    for (let i = 0; i < a.length; i++) {
        a[i] = (random() % 1000) / 8;
        b[i] = random() % 1000;
    }
    let total = 0;
    for (let i = 0; i < size; i++)
        for (let j = 0; j < size; j++) {
            let cell = 0;
            for (let k = 0; k < size; k++)
                cell += a[i * size + k] * b[k * size + j];
            total += Math.floor(Math.sqrt(cell));
        }
    mix(total);
    const sieve = new Uint8Array(4000);
    let primes = 0;
    for (let i = 2; i < sieve.length; i++) {
        if (sieve[i])
            continue;
        primes++;
        for (let j = i * i; j < sieve.length; j += i)
            sieve[j] = 1;
    }
    mix(primes);
    const fib = n => n < 2 ? n : fib(n - 1) + fib(n - 2);
    mix(fib(15));
    let big = 1n;
    for (let i = 1n; i <= 60n; i++)
        big *= i;
    mix(Number(big % 1000000007n));
}

function run(rounds) {
    let seed = 1;
    const random = () => (seed = Math.imul(seed, 1103515245) + 12345 >>> 0) >>> 8;
    sum = 0;
    for (let i = 0; i < rounds; i++) {
        tree(random);
        sorting(random);
        strings(random);
        numbers(random);
    }
    return sum;
}

const [rounds, repeats] = scriptArgs.slice(1).map(Number);
let best = Infinity;
for (let i = 0; i < repeats; i++) {
    const start = performance.now();
    run(rounds);
    best = Math.min(best, performance.now() - start);
}
std.out.puts(`${sum} ${Math.round(best * 1e6)}\n`);
