/* The parts of the program that are not verbs of the command line: how they are asked for help, and what a full disk makes of it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';

const program = process.env['SIGNALBOX_BIN_RELEASE'] ?? join(import.meta.dirname, '../../build/signalbox');
const dir = mkdtempSync(join(tmpdir(), 'signalbox-words-'));
after(() => rmSync(dir, { recursive: true }));

function ask(words: string[], stdout: 'pipe' | number = 'pipe') {
    return spawnSync(program, words, { encoding: 'utf8', cwd: dir, stdio: ['ignore', stdout, 'pipe'], timeout: 60_000 });
}

describe('serve, bootstrap and runner', () => {
    for (const part of ['serve', 'bootstrap', 'runner'])
        for (const words of [[part, '--help'], [part, '-h'], ['help', part]])
            it(`signalbox ${words.join(' ')} explains it`, () => {
                const { status, stdout, stderr } = ask(words);
                assert.equal(status, 0, stderr);
                assert.ok(stdout.startsWith(`signalbox ${part} [`), stdout);
            });
    for (const words of ['serve --help', 'serve --print-settings', 'runner --help', 'bootstrap --help', 'bootstrap', 'bootstrap --link'])
        it(`signalbox ${words} says that a full disk took nothing`, () => {
            const full = openSync('/dev/full', 'w');
            const { status, stderr } = ask(words.split(' '), full);
            closeSync(full);
            assert.equal(status, 9, stderr);
            assert.match(stderr, /output (could not be written|takes nothing)/);
            assert.doesNotMatch(stderr, /An admin token of workspace|Whoever opens it first/);
        });
});
