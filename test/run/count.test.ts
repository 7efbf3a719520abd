/* The counting is what says that everything is well, so it is tested like anything else. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { run, type Ended } from './child.ts';
import { lintRules, mesonTests, nodeTests, programCases, secondLook } from './count.ts';

const order = { cwd: tmpdir(), env: { PATH: process.env['PATH'] }, timeoutMs: 60_000 };
const ended = (stdout: string, code = 0): Ended => ({ code, signal: null, isLate: false, stdout, output: stdout });
const program = (stdout: string, result = 'OK') => programCases({ name: 'base str', result, duration: 0.1, stdout });

describe('a C program', () => {
    it('counts each case that it names', () => {
        const count = program('1..3\nok 1 - one\nok 2 - two\nnot ok 3 - three\n# file.c:9: error\n', 'FAIL');
        assert.equal(count.passed, 2);
        assert.deepEqual(
            count.failed.map((failure) => failure.name),
            ['base str: three'],
        );
    });
    it('adds up several groups of cases', () => {
        assert.equal(program('1..1\nok 1 - a\n1..2\nok 1 - b\nok 2 - c\n').passed, 3);
    });
    it('is one case itself when it names none', () => {
        assert.equal(program('300 seeds, all fine\n').passed, 1);
        assert.equal(program('seed 7: broken\n', 'FAIL').failed.length, 1);
    });
    it('fails when it dies after its last good case', () => {
        const count = program('ok 1 - one\nAddressSanitizer: heap-buffer-overflow\n', 'FAIL');
        assert.equal(count.passed, 1);
        assert.equal(count.failed.length, 1);
        assert.match(count.failed[0]!.output, /heap-buffer-overflow/);
    });
    it('says what it left out, and why', () => {
        const count = program('ok 1 - postgres # SKIP no PostgreSQL here\nok 2 - sqlite\n');
        assert.equal(count.passed, 1);
        assert.deepEqual(count.skipped, [{ name: 'base str: postgres', why: 'no PostgreSQL here' }]);
    });
    it('names a skipped case also the way cmocka writes it', () => {
        const [skipped] = program('ok 1 # SKIP memory_a_connection\n').skipped;
        assert.equal(skipped?.name, 'base str: memory_a_connection');
    });
    it('may run in the hardened build what makes no sense under sanitizers', () => {
        const test = { name: 'http', result: 'OK', duration: 1, stdout: 'ok 1 - a\nok 2 # SKIP b\nok 3 # SKIP c\nok 4 # SKIP d\n' };
        const count = secondLook(test, programCases(test), 'ok 1 - a\nok 2 - b\nnot ok 3 - c\nok 4 # SKIP d\n');
        assert.equal(count.passed, 2);
        assert.deepEqual(
            count.failed.map((failure) => failure.name),
            ['http: c (hardened build)'],
        );
        assert.deepEqual(
            count.skipped.map((skipped) => skipped.name),
            ['http: d'],
        );
    });
});

describe("meson's log", () => {
    it('is a failure when there is none', async () => {
        assert.equal((await mesonTests('/nowhere/testlog.json', ended(''))).failed.length, 1);
    });
    it('is a failure when meson says so and no test does', async (t) => {
        const folder = mkdtempSync(join(tmpdir(), 'count-'));
        t.after(() => rmSync(folder, { recursive: true }));
        const file = join(folder, 'testlog.json');
        writeFileSync(file, JSON.stringify({ name: 'a', result: 'OK', duration: 1, stdout: 'ok 1 - x\n' }) + '\n');
        assert.deepEqual((await mesonTests(file, ended(''))).failed, []);
        assert.equal((await mesonTests(file, ended('', 1))).failed.length, 1);
    });
});

describe('node:test', () => {
    const play = async (source: string) => {
        const folder = mkdtempSync(join(tmpdir(), 'count-'));
        const file = join(folder, 'x.test.mjs');
        writeFileSync(file, `import { it, describe } from 'node:test';\n${source}`);
        const count = nodeTests(await run(process.execPath, ['--test', '--test-reporter=tap', file], order));
        rmSync(folder, { recursive: true });
        return count;
    };
    it('counts cases, not the groups around them', async () => {
        const count = await play(`describe('g', () => { it('a', () => {}); it('b', () => {}); }); it('c', () => {});`);
        assert.deepEqual(count, { passed: 3, failed: [], skipped: [] });
    });
    it('names what failed, once, with its message', async () => {
        const count = await play(`describe('g', () => { it('a', () => {}); it('b', () => { throw new Error('the reason'); }); });`);
        assert.equal(count.passed, 1);
        assert.deepEqual(
            count.failed.map((failure) => failure.name),
            ['b'],
        );
        assert.match(count.failed[0]!.output, /the reason/);
    });
    it('names what was skipped, with the reason', async () => {
        const count = await play(`it('needs the CLI', { skip: 'no CLI here' }, () => {}); it('a', () => {});`);
        assert.deepEqual(count, { passed: 1, failed: [], skipped: [{ name: 'needs the CLI', why: 'no CLI here' }] });
    });
    it('is a failure when a file does not even load', async () => {
        const count = await play(`import './missing.mjs';`);
        assert.equal(count.passed, 0);
        assert.ok(count.failed.length >= 1);
    });
});

describe('lint', () => {
    it('counts rules, and keeps what breaks each', () => {
        const count = lintRules(ended('ok rooms\nsrc/a.c:3: strcpy is banned\nnot ok banned\nok types\n', 1));
        assert.equal(count.passed, 2);
        assert.deepEqual(count.failed, [{ name: 'lint banned', output: 'src/a.c:3: strcpy is banned' }]);
    });
    it('is a failure when it says nothing at all', () => {
        assert.equal(lintRules(ended('dev: broken\n', 2)).failed.length, 1);
    });
});

describe('a test run that is stopped', () => {
    it('stops what it started', async () => {
        const folder = mkdtempSync(join(tmpdir(), 'count-'));
        const file = join(folder, 'pid');
        const source = `import { run } from ${JSON.stringify(join(import.meta.dirname, 'child.ts'))};
            import { existsSync, readFileSync } from 'node:fs';
            const isThere = () => existsSync('${file}') && readFileSync('${file}', 'utf8').endsWith('\\n');
            setInterval(() => isThere() && process.kill(process.pid, 'SIGTERM'), 20);
            run('/bin/sh', ['-c', 'echo $$ > ${file}; exec sleep 300'], { cwd: '/', env: {}, timeoutMs: 600000 });`;
        const ended = await run(process.execPath, ['--input-type=module-typescript', '-e', source], order);
        assert.equal(ended.code, 143, ended.output);
        const pid = Number(readFileSync(file, 'utf8'));
        rmSync(folder, { recursive: true });
        const stat = `/proc/${pid}/stat`;
        // Where nobody collects the dead, they stay in the list as Z.
        assert.ok(!existsSync(stat) || / Z /.test(readFileSync(stat, 'utf8')), 'it still runs');
    });
});

describe('a program that hangs', () => {
    it('is stopped with all that it started, and called late', async () => {
        const begin = Date.now();
        const late = await run('/bin/sh', ['-c', 'sleep 300 & sleep 300'], { ...order, timeoutMs: 200 });
        assert.equal(late.isLate, true);
        assert.match(late.output, /took longer than 0\.2 s/);
        assert.ok(Date.now() - begin < 250_000);
    });
});
