/* kill -9 at any moment of the story, start again: the same end state (issue text "Bad input and bad days"). */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { apply_file, databasesStop, plan_file, postgres, sqlite, withBox, type Box, type Database } from './box.ts';
import { diamond } from './graph.ts';

after(databasesStop);

/** Numbers from a seed, so that a failing moment can be repeated. */
function dice(seed: number): () => number {
    let state = (seed * 2654435761) >>> 0 || 1;
    return () => {
        state ^= (state << 13) >>> 0;
        state ^= state >>> 17;
        state = (state ^ ((state << 5) >>> 0)) >>> 0;
        return state / 2 ** 32;
    };
}

const story_ms = 4000;

/** What two stories are compared by: all but ids, times and addresses. */
async function dump(box: Box, number: number, sha: string): Promise<object> {
    const batches = (await box.batches()).sort((a, b) => (a.id < b.id ? -1 : 1));
    const nodes = await Promise.all(batches.map((batch) => box.nodes(batch.id)));
    const check = (await box.check(sha))!;
    const plain = (text: string) =>
        text
            .replace(/\(http[^)\s]*\)/g, '(url)')
            .replace(/https?:\/\/[^\s)>\]"]+/g, 'url')
            .replace(/batch_[0-9a-z]+/g, 'batch')
            .replace(/\b[0-9a-f]{7,40}\b/g, 'sha')
            // A time of another day is shown with its date: midnight may come between the two stories, or in one.
            .replace(/(?:\d{4}-\d\d-\d\d )?\d\d:\d\d(:\d\d)?/g, 'time')
            .replace(/\d{4}-\d\d-\d\dT[^ ]*Z?/g, 'time')
            .replace(/(?:less than )?\d+(\.\d+)? ?(ms|s|min|h)\b( \d+ ?s)?/g, 'a while');
    return {
        batches: batches.map((batch) => `${batch.activity} ${batch.state} ${batch.verdict} ${batch.nodeCount}`),
        nodes: nodes.map((list) => list.map((node) => `${node.component} ${node.state} ${node.workflow} ${node.level} ${node.waitsFor.join()}`).sort()),
        runs: (await Promise.all([plan_file, apply_file].map((file) => box.forgeRuns(file)))).map((list) => list.map((run) => `${run.inputs['component']} ${run.conclusion}`).sort()),
        check: `${check.status} ${check.conclusion} ${plain(check.output.title ?? '')} ${plain(check.output.summary ?? '')}`,
        comment: plain(await box.comment(number)),
    };
}

/** With `want`: until that is how it ended, as far as it ever comes there. */
async function tell(database: Database, killAt_ms: number[], want?: object): Promise<object> {
    let end: object = {};
    await withBox({ database, runMs: 150 }, async (box) => {
        const began = Date.now();
        const killer = (async () => {
            for (const at of killAt_ms) {
                await sleep(Math.max(0, began + at - Date.now()));
                await box.serve.end('SIGKILL');
                await box.serve.start();
            }
        })();
        const pull = await box.pull();
        await box.uploadPull(diamond, pull, { run_id: 77001 });
        assert.equal((await box.ended('opened')).verdict, 'success', await box.state());
        await box.sim.mergePull(box.repo, pull.number);
        await box.uploadPull(diamond, pull, { ref: 'refs/heads/main', run_id: 77002 });
        assert.equal((await box.ended('merged')).verdict, 'success', await box.state());
        await killer;
        await box.checked(pull.head_sha, 'success');
        await box.commented(pull.number, /appl/i);
        await box.inOrder(plan_file, diamond);
        await box.inOrder(apply_file, diamond);
        let last = '';
        await box.until('the comment to rest', async () => {
            const now = await box.comment(pull.number);
            const rests = now === last;
            last = now;
            await sleep(want ? 400 : 3000);
            return rests;
        });
        await box.clean({ intents: 14 });
        for (const until = Date.now() + 60_000; ; await sleep(400)) {
            end = await dump(box, pull.number, pull.head_sha);
            if (!want || isDeepStrictEqual(end, want) || Date.now() > until) break;
        }
    });
    return end;
}

describe('kill -9 in the middle of the story', { concurrency: 3 }, () => {
    let quiet: object = {};
    before(async () => {
        quiet = await tell(sqlite, []);
    });
    for (let seed = 1; seed <= 12; seed++) {
        const roll = dice(seed);
        const moments = seed % 4 === 0 ? [roll() * 1500, 1500 + roll() * 2000] : [((seed - 1 + roll()) / 12) * story_ms];
        const database = seed % 6 === 0 ? postgres : sqlite;
        it(`seed ${seed}: after ${moments.map((ms) => `${Math.round(ms)} ms`).join(' and ')} on ${database.name}`, async () => {
            assert.deepEqual(await tell(database, moments, quiet), quiet);
        });
    }
});
