/* The story that newcomers see is a test: it has to come to the right end, also when the server is killed in the middle. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';

interface Played {
    code: number | null;
    output: string;
}

function play(...args: string[]): Promise<Played> {
    return new Promise((done) => {
        const child = spawn(process.execPath, [join(import.meta.dirname, 'demo.ts'), '--once', ...args], {
            stdio: ['ignore', 'pipe', 'pipe'],
            env: { ...process.env, CI: 'true' },
            timeout: 180_000,
        });
        let output = '';
        child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
        child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
        child.on('close', (code) => done({ code, output }));
    });
}

const end = (played: Played) => /^end: .*$/m.exec(played.output)?.[0];

describe('the story of the demo', () => {
    it('plans and applies 24 instances in order, each once, under one comment', async () => {
        const quiet = await play();
        assert.equal(quiet.code, 0, quiet.output);
        assert.match(quiet.output, /plans: 24 success; applies: 24 success; runs on the forge: 49, twice: 0; comments: 1; out of order: 0/);
    });
    it('shows plain lines where there is no terminal', async () => {
        const quiet = await play();
        assert.doesNotMatch(quiet.output, /\x1b\[/);
        assert.match(quiet.output, /^plan: data\/postgres in plat-use1-staging: FAILED$/m);
    });
    it('comes to the same end when the server is killed while plans and applies run', async () => {
        const quiet = await play();
        const crashed = await play('--crash');
        assert.equal(crashed.code, 0, crashed.output);
        assert.equal((crashed.output.match(/kill -9/g) ?? []).length, 2, crashed.output);
        assert.equal(end(crashed), end(quiet));
    });
});
