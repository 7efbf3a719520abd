/*
 * Runs every suite there is and counts test cases over all of them. Called by `./dev test [suite…]`.
 * The last line is "N passed, N failed", with ", N skipped" only when something was; exit code 1 when anything failed or nothing ran.
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { cpus } from 'node:os';
import { run, type Ended } from './child.ts';
import { addUp, lintRules, mesonTests, nodeTests, nothing, oneCase, programCases, type Count, type MesonTest } from './count.ts';

interface Suite {
    name: string;
    doc: string;
    play: () => Promise<Count>;
}

const root = join(import.meta.dirname, '..', '..');
const node = process.execPath;
const jobs = Math.max(2, Math.min(cpus().length, 4));
/** For tests that wait more than they compute: for a database, for a time to come, for one another. */
const waiters = jobs * 2;
/** For tests of whole servers: one more than there are cores, for each waits for a part of its time. */
const houses = jobs + 1;
const fuzzSeconds = 6;
const env: NodeJS.ProcessEnv = {
    ...process.env,
    CI: 'true',
    NO_COLOR: '1',
    ASAN_OPTIONS: 'abort_on_error=1:detect_leaks=1:allocator_may_return_null=1',
    UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
    // What the tests of the whole program start: the build that notices its own mistakes.
    SIGNALBOX_BIN: process.env['SIGNALBOX_BIN'] ?? join(root, 'build-test/src/signalbox'),
    SIGNALBOX_BIN_RELEASE: process.env['SIGNALBOX_BIN_RELEASE'] ?? join(root, 'build/signalbox'),
};

function call(command: string, args: string[], minutes: number, more: NodeJS.ProcessEnv = {}): Promise<Ended> {
    return run(command, args, { cwd: root, env: { ...env, ...more }, timeoutMs: minutes * 60_000 });
}

/** Builds count only when they fail: they are no test cases, but without them there are none. */
async function build(kind: string): Promise<Count> {
    const ended = await call('./dev', ['build', kind], 30);
    return ended.code === 0 ? nothing() : oneCase(`build ${kind}`, ended);
}

async function lint(): Promise<Count> {
    return lintRules(await call('./dev', ['lint'], 10));
}

async function meson(select: string[], processes: number): Promise<Count> {
    const folder = join(root, 'build-test');
    // Limits of time are for programs that hang, and a machine may have other things to do: several times what it takes.
    const args = ['test', '-C', folder, '--no-rebuild', '--num-processes', String(processes), '--timeout-multiplier', '5', ...select];
    const log = join(folder, 'meson-logs', 'testlog.json');
    rmSync(log, { force: true }); // of an earlier run, which this one must not be taken for
    const ended = await call('meson', args, 30, { CMOCKA_MESSAGE_OUTPUT: 'TAP' });
    return mesonTests(log, ended, inHardenedBuild);
}

/** Some cases measure memory or speed and make no sense under sanitizers: their program runs in the hardened build, too. */
async function inHardenedBuild(test: MesonTest): Promise<string> {
    const [program, ...args] = test.command ?? [];
    const target = program === undefined ? '' : relative(join(root, 'build-test'), program);
    if (!target.startsWith('test/')) return '';
    const built = await call('ninja', ['-C', join(root, 'build'), '--quiet', target], 15);
    return built.code === 0 ? (await call(join(root, 'build', target), args, 15, { CMOCKA_MESSAGE_OUTPUT: 'TAP' })).stdout : '';
}

async function fuzz(): Promise<Count> {
    const built = await build('fuzz');
    if (built.failed.length > 0) return built;
    const folder = join(root, 'build-fuzz/test/fuzz');
    const targets = readdirSync(folder).filter((file) => /^fuzz_[a-z0-9_]+$/.test(file));
    const seconds = Math.max(3, Math.min(fuzzSeconds, Math.floor((60 * jobs) / Math.max(1, targets.length))));
    const left = [...targets];
    const counts: Count[] = [];
    const worker = async () => {
        for (let file = left.shift(); file !== undefined; file = left.shift()) {
            const name = file.slice('fuzz_'.length);
            const found = join(root, 'build-fuzz/found', name);
            mkdirSync(found, { recursive: true });
            const corpus = join(root, 'test/fuzz/corpus', name);
            const limits = [`-max_total_time=${seconds}`, '-max_len=16384', '-timeout=60', `-artifact_prefix=${found}-`];
            const folders = existsSync(corpus) ? [found, corpus] : [found];
            counts.push(oneCase(`fuzz ${name}`, await call(join(folder, file), [...limits, ...folders], 10)));
        }
    };
    await Promise.all(Array.from({ length: jobs }, worker));
    return addUp(counts);
}

function filesOf(folder: string): string[] {
    const at = join(root, 'test', folder);
    if (!existsSync(at)) return [];
    return readdirSync(at, { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.test.ts') && !file.split('/').includes('node_modules'))
        .map((file) => join(at, file))
        .sort();
}

function nodeSuite(folder: string, doc: string, minutes: number, concurrency = jobs): Suite {
    const play = async () => {
        const files = filesOf(folder);
        if (files.length === 0) return nothing();
        const args = ['--test', '--test-reporter=tap', `--test-concurrency=${concurrency}`, ...files];
        return nodeTests(await call(node, args, minutes));
    };
    return { name: folder, doc, play };
}

function conformance(): Suite {
    const suite = nodeSuite('conformance', "the simulator against GitHub's own description", 15);
    const packages = join(root, 'test/conformance/node_modules/@octokit/openapi');
    const play = async () => {
        if (existsSync(packages) || filesOf('conformance').length === 0) return suite.play();
        return { ...nothing(), skipped: [{ name: 'conformance', why: "GitHub's description is not installed (npm ci in test/conformance)" }] };
    };
    return { ...suite, play };
}

/** The dashboard: its logic, then its pages in Chromium before the hardened program. */
async function web(): Promise<Count> {
    const began = Date.now();
    const tools = join(root, 'web/node_modules/vitest/vitest.mjs');
    const logic = await run(node, [tools, 'run', '--reporter=tap-flat'], { cwd: join(root, 'web'), env, timeoutMs: 5 * 60_000 });
    const result = logic.code === 0 ? 'OK' : 'FAIL';
    const test = { name: 'vitest', result, duration: (Date.now() - began) / 1000, stdout: logic.stdout, stderr: logic.code === 0 ? '' : logic.output };
    const files = ['--test', '--test-reporter=tap', '--test-concurrency=2', ...filesOf('web')];
    const pages = await call(node, files, 20, { SIGNALBOX_BIN: env['SIGNALBOX_BIN_RELEASE'] });
    return addUp([programCases(test), nodeTests(pages)]);
}

const suites: Suite[] = [
    { name: 'lint', doc: 'rules that a machine can check', play: lint },
    { name: 'release', doc: 'the hardened program builds', play: () => build('release') },
    { name: 'sanitized', doc: 'everything builds under ASan and UBSan', play: () => build('sanitized') },
    { name: 'unit', doc: 'C, one file a source file', play: () => meson(['--no-suite', 'sim', '--no-suite', 'fuzz'], waiters) },
    { name: 'sim', doc: 'the domain, and the whole engine, in a pretended world', play: () => meson(['--suite', 'sim'], jobs) },
    { name: 'fuzz', doc: 'each parser of outside bytes, a few seconds', play: fuzz },
    nodeSuite('run', 'the program as it is built, and this counting', 10),
    nodeSuite('forge-sim', 'the stand-in for GitHub', 15),
    conformance(),
    nodeSuite('api', 'the real server over HTTP, on both databases', 30, houses),
    nodeSuite('e2e', 'the real atmos CLI', 30, houses),
    { name: 'web', doc: 'the dashboard: its logic, and its pages in a browser', play: web },
    nodeSuite('demo', 'the story of the demo, with and without a kill', 20, 1),
    nodeSuite('image', 'what is deployed of the runner: the image, the compose file, the unit', 30, 1),
    nodeSuite('bench', 'the short form of the measurements: that each runs to its end', 20, 1),
];

/** These go beside one another: each is one thing after the other, and nothing in them is judged by its speed. */
const besides: readonly (readonly string[])[] = [
    ['forge-sim', 'conformance'],
    ['demo', 'image'],
];

/** These run the programs of both builds. Named alone, they have them built first: nobody wants to test what stood there yesterday. */
const ofPrograms = new Set(['unit', 'sim', 'run', 'api', 'e2e', 'web', 'demo', 'image']);

function chosen(names: string[]): Suite[] {
    const unknown = names.filter((name) => !suites.some((suite) => suite.name === name));
    if (unknown.length > 0) {
        console.error(`there is no suite ${unknown.join(', ')}; there are:`);
        for (const suite of suites) console.error(`  ${suite.name.padEnd(12)}${suite.doc}`);
        process.exit(2);
    }
    const wanted = new Set(names);
    if (names.some((name) => ofPrograms.has(name))) wanted.add('release').add('sanitized');
    return names.length === 0 ? suites : suites.filter((suite) => wanted.has(suite.name));
}

/** What failed stands at the beginning or at the end, seldom between. */
function middleOut(lines: string[]): string[] {
    if (lines.length <= 120) return lines;
    return [...lines.slice(0, 40), `… ${lines.length - 120} lines …`, ...lines.slice(-80)];
}

function show(suite: Suite, count: Count, seconds: number): void {
    const parts = [`${count.passed} passed`];
    if (count.failed.length > 0) parts.push(`${count.failed.length} FAILED`);
    if (count.skipped.length > 0) parts.push(`${count.skipped.length} skipped`);
    for (const failure of count.failed) {
        console.log(`\n--- FAILED ${suite.name}: ${failure.name}`);
        console.log(middleOut(failure.output.trimEnd().split('\n')).join('\n'));
    }
    console.log(`${suite.name.padEnd(12)} ${parts.join(', ').padEnd(40)} ${seconds.toFixed(1)} s`);
}

function showEnd(total: Count, seconds: number): void {
    console.log(`\n${(seconds / 60).toFixed(1)} minutes`);
    for (const { name } of total.failed) console.log(`FAILED   ${name}`);
    for (const { name, why } of total.skipped) console.log(`SKIPPED  ${name}: ${why}`);
    if (process.env['SIGNALBOX_ATMOS_MISSING']) console.log(`NOTE     ${process.env['SIGNALBOX_ATMOS_MISSING']}`);
    const skipped = total.skipped.length > 0 ? `, ${total.skipped.length} skipped` : '';
    console.log(`${total.passed} passed, ${total.failed.length} failed${skipped}`);
}

async function main(): Promise<void> {
    const start = Date.now();
    const counts: Count[] = [];
    const playOne = async (suite: Suite) => {
        const begin = Date.now();
        const count = await suite.play();
        counts.push(count);
        show(suite, count, (Date.now() - begin) / 1000);
    };
    const left = chosen(process.argv.slice(2));
    for (let suite = left.shift(); suite; suite = left.shift()) {
        const group = besides.find((names) => names.includes(suite!.name)) ?? [];
        const beside = left.filter((other) => group.includes(other.name));
        for (const other of beside) left.splice(left.indexOf(other), 1);
        await Promise.all([suite, ...beside].map(playOne));
    }
    const total = addUp(counts);
    showEnd(total, (Date.now() - start) / 1000);
    process.exitCode = total.failed.length > 0 || total.passed === 0 ? 1 : 0;
}

await main();
