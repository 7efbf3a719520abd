/* The short form of the benchmark: everything runs to its end, in the hardened build; what it measures is looked at by ./dev bench. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { it } from 'node:test';

it('every measurement of the benchmark runs', () => {
    const env = { ...process.env, SIGNALBOX_BENCH_BUILD: join(import.meta.dirname, '../../build') };
    const played = spawnSync(process.execPath, [join(import.meta.dirname, 'main.ts'), '--short'], { encoding: 'utf8', env, timeout: 900_000 });
    assert.equal(played.status, 0, played.stdout + played.stderr);
    assert.match(played.stdout, /\d+ figures/);
    const lost = /duplicates, lost +([^ ].*?) {2}/.exec(played.stdout)?.[1];
    assert.equal(lost, '0, 0', played.stdout);
});
