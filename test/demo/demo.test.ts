/* The story that newcomers see is a test: it has to come to the right end, also when the server is killed in the middle. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

interface Played {
    code: number | null;
    output: string;
}

/* The hardened program, as newcomers have it; `sanitized` is the one that notices its own mistakes, also when it stops. */
const demo = join(import.meta.dirname, 'demo.ts');
const hardened = process.env['SIGNALBOX_BIN_RELEASE'] ?? join(import.meta.dirname, '../../build/signalbox');
const sanitized = process.env['SIGNALBOX_BIN'] ?? join(import.meta.dirname, '../../build-test/src/signalbox');

function play(program: string, ...args: string[]): Promise<Played> {
    return new Promise((done) => {
        const child = spawn(process.execPath, [demo, '--once', ...args], {
            stdio: ['ignore', 'pipe', 'pipe'],
            env: { ...process.env, CI: 'true', SIGNALBOX_BIN_DEMO: program },
            timeout: 600_000,
        });
        let output = '';
        child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
        child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
        child.on('close', (code) => done({ code, output }));
    });
}

const end = (played: Played) => /^end: .*$/m.exec(played.output)?.[0];

/** Both chapters, once: several tests look at it. */
let whole: Promise<Played> | undefined;
const quietly = () => (whole ??= play(hardened));

describe('the story of the demo', () => {
    it('plans and applies 24 instances in order, each once, under one comment', async () => {
        const quiet = await quietly();
        assert.equal(quiet.code, 0, quiet.output);
        assert.match(quiet.output, /plans: 24 success; applies: 24 success; runs on the forge: 49, twice: 0; comments: 1; out of order: 0/);
    });
    it('shows plain lines where there is no terminal', async () => {
        const quiet = await quietly();
        assert.doesNotMatch(quiet.output, /\x1b\[/);
        assert.match(quiet.output, /^plan: data\/postgres in plat-use1-staging: FAILED$/m);
    });
    it('holds 247 stacks until somebody with rights ticks the box, and explains', async () => {
        const { output } = await quietly();
        assert.match(output, /^ {3}1\. the whole batch is held: would dispatch 247 stacks, the threshold is 50$/m);
        assert.match(output, /eve, who may only read, ticks the box: it is undone\. ".*eve.*write/);
        assert.match(output, /sent while held: 0; released by a tick: 247;/);
    });
    it('pauses a burst of pushes until somebody resumes, and holds a draft until it is ready', async () => {
        const { output } = await quietly();
        assert.match(output, /the whole batch is held: \d pushes within 10 minutes, the limit is 3$/m);
        assert.match(output, /the whole batch is held: the pull request is a draft$/m);
        assert.match(output, /after resuming: 6; the draft, made ready: 6; runs twice: 0$/m);
    });
    it('comes to the same end when the server is killed while plans and applies run', async () => {
        const quiet = await quietly();
        const crashed = await play(hardened, '--crash', '--chapter', '1');
        assert.equal(crashed.code, 0, crashed.output);
        assert.equal((crashed.output.match(/kill -9/g) ?? []).length, 2, crashed.output);
        assert.equal(end(crashed), end(quiet));
    });
    it('is clean under ASan and UBSan, with a kill and at the end', async () => {
        const crashed = await play(sanitized, '--crash', '--chapter', '1');
        assert.equal(crashed.code, 0, crashed.output);
        const held = await play(sanitized, '--chapter', '2');
        assert.equal(held.code, 0, held.output);
    });
    it('runs actions on a runner of its own, and nothing of them is left', async () => {
        const { code, output } = await play(sanitized, '--runner');
        assert.equal(code, 0, output);
        assert.match(output, /runs of actions: succeeded, failed, failed, cancelled; exit code of the failing one: 42; secrets in logs: 0; left behind: 0/);
    });
    it('serves on until Ctrl-C, then leaves nothing behind', async () => {
        const child = spawn(process.execPath, [demo, '--port', '0', '--chapter', '1'], {
            stdio: ['ignore', 'pipe', 'inherit'],
            env: { ...process.env, CI: 'true' },
        });
        let output = '';
        const serves = new Promise<void>((done) =>
            child.stdout.setEncoding('utf8').on('data', (text: string) => {
                output += text;
                if (output.includes('Serving until Ctrl-C')) done();
            }),
        );
        const ended = new Promise((done) => child.once('exit', done));
        await Promise.race([serves, ended]);
        const url = /health +(http\S+)/.exec(output)?.[1];
        const log = /log +(\S+)\/serve\.log/.exec(output)?.[1];
        assert.ok(url && log, output);
        assert.equal((await fetch(url)).status, 200);
        assert.ok(existsSync(log));
        child.kill('SIGINT');
        assert.equal(await ended, 0);
        await assert.rejects(fetch(url));
        assert.equal(existsSync(log), false);
    });
});
