/*
 * Bad days: whatever the forge, the network and the limits do, each run exists once, none is lost, there is one check and one comment,
 * and nothing is sent while we were told to wait (issue text points 4, 8 and "Bad input and bad days").
 */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { all_success, apply_file, databasesStop, plan_file, postgres, sqlite, withBox, type Box, type BoxOrder } from './box.ts';
import { diamond, repositoryFiles } from './graph.ts';
import type { Fault } from '../forge-sim/faults.ts';

after(databasesStop);

interface Case {
    name: string;
    faults: Fault[];
    order?: BoxOrder;
    also?: (box: Box) => Promise<void>;
    ms?: number;
}

const dispatches = 'POST *dispatches';

/** Open, plan, merge, apply: the same end, whatever is armed. */
async function tell(box: Box, { faults, also, ms = 120_000 }: Case): Promise<void> {
    for (const fault of faults) await box.sim.fault(fault);
    const pull = await box.pull();
    await box.uploadPull(diamond, pull);
    const planned = await box.ended('opened', undefined, ms);
    assert.equal(planned.verdict, 'success', await box.state());
    await box.sim.mergePull(box.repo, pull.number);
    await box.uploadMerged(diamond, pull);
    const applied = await box.ended('merged', undefined, ms);
    assert.equal(applied.verdict, 'success', await box.state());
    assert.ok(all_success(await box.states(applied.id)));
    await box.inOrder(plan_file, diamond);
    await box.inOrder(apply_file, diamond);
    await box.checked(pull.head_sha, 'success', ms);
    await box.commented(pull.number, /appl/i, ms);
    const verdict = await box.clean({ intents: 14 });
    assert.equal(Object.keys(verdict.comments.perPull).length, 1);
    for (const fault of faults) assert.ok((verdict.faultsFired[fault.kind] ?? 1) > 0, `${fault.kind} never happened`);
    await also?.(box);
}

const dispatch = (kind: Fault['kind'], more: Partial<Fault> = {}): Fault => ({ on: 'api', kind, route: dispatches, ...more });
const hook = (kind: Fault['kind'], event: string, more: Partial<Fault> = {}): Fault => ({ on: 'webhook', kind, event, ...more });
const nameless: BoxOrder = { files: repositoryFiles({ named: false }) };

const calls: Case[] = [
    { name: 'the answer to a dispatch is lost after the run was made', faults: [dispatch('reset-after', { count: 3, skip: 1 })] },
    { name: 'a 502 after the run was made', faults: [dispatch('html502-after', { count: 3 })] },
    { name: 'the connection is cut before anything happened', faults: [dispatch('reset-before', { count: 3 })] },
    { name: '500, 502 and 503 before anything happened', faults: [dispatch('error500', { count: 1 }), dispatch('html502', { count: 1 }), dispatch('unavailable503', { count: 1 })] },
    { name: 'half an answer', faults: [dispatch('truncated', { count: 3 })] },
    { name: 'an answer that comes after the run\'s webhooks', faults: [dispatch('late-answer', { count: 4, ms: 600 })] },
    { name: 'a lost answer, and new runs are not listed yet', faults: [dispatch('reset-after', { count: 2 }), { on: 'api', kind: 'stale', ms: 700 }] },
    {
        name: 'lost answers to what writes check and comment',
        faults: [
            { on: 'api', kind: 'reset-after', route: 'POST *check-runs', count: 1 },
            { on: 'api', kind: 'html502-after', route: 'POST *comments', count: 1 },
            { on: 'api', kind: 'reset-after', route: 'PATCH *', count: 2 },
        ],
    },
    { name: '5xx on everything, a third of the time', faults: [{ on: 'api', kind: 'unavailable503', probability: 0.3, count: 20 }] },
    {
        /* Never one call twice in a row: that would be no access, whatever the token. */
        name: 'tokens that are refused in the middle (401)',
        faults: ['GET *contents*', 'POST *dispatches', 'PATCH *check-runs*'].map((route) => ({ on: 'api', kind: 'unauthorized', route, count: 1 })),
    },
];

const hooks: Case[] = [
    { name: 'every webhook twice', faults: [hook('duplicate', '*')] },
    { name: 'every webhook told again under another id', faults: [hook('semantic-duplicate', '*')] },
    { name: 'webhooks in any order', faults: [hook('reorder', '*', { ms: 400 })] },
    { name: 'webhooks that come late', faults: [hook('delay', '*', { ms: 500 })] },
    { name: 'news of runs is dropped without a trace: the sweep heals', faults: [hook('drop-silent', 'workflow_run*')] },
    { name: 'half of the news of runs is dropped and recorded', faults: [hook('drop', 'workflow_run*', { probability: 0.5 })] },
    {
        name: 'the merge is dropped and recorded: the delivery log heals',
        faults: [hook('drop', 'pull_request.closed', { count: 1 })],
    },
    { name: 'the merge is dropped without a trace', faults: [hook('drop-silent', 'pull_request.closed', { count: 1 })] },
    { name: 'the opening is dropped and recorded', faults: [hook('drop', 'pull_request.opened', { count: 1 })] },
    { name: 'the opening is dropped without a trace', faults: [hook('drop-silent', 'pull_request.opened', { count: 1 })] },
    { name: 'all at once', faults: [hook('duplicate', '*', { probability: 0.3 }), hook('reorder', '*', { ms: 300, probability: 0.5 }), hook('drop-silent', 'workflow_run*', { probability: 0.2 }), dispatch('reset-after', { probability: 0.2, count: 4 }), dispatch('html502', { probability: 0.2, count: 4 })] },
];

/* The third of three that leave together is refused: none is still on its way then, which nobody could call back. */
const limits: Case[] = [
    { name: 'a secondary limit with retry-after (403)', faults: [dispatch('secondary', { hint: 'retry-after', seconds: 3, count: 1, skip: 2 })] },
    { name: 'a secondary limit with retry-after (429)', faults: [dispatch('secondary', { hint: 'retry-after', seconds: 3, status: 429, count: 1, skip: 2 })] },
    { name: 'a secondary limit with a reset', faults: [dispatch('secondary', { hint: 'reset', seconds: 3, count: 1, skip: 2 })] },
    { name: 'the quota of the hour is used up', faults: [{ on: 'api', kind: 'primary', route: dispatches, seconds: 3, count: 1, skip: 2 }] },
    { name: 'a secondary limit without a word of when to come back: a minute', faults: [dispatch('secondary', { hint: 'none', count: 1, skip: 2 })], ms: 180_000 },
];

/* Numbers of the quota that are nonsense are not known; the holds go by what is assumed then. */
const nonsense = (odd: Fault['odd'], more: Partial<Fault> = {}): Fault => ({ on: 'api', kind: 'odd-limits', odd, ...more });
const numbers: Case[] = [
    { name: 'none at all', faults: [nonsense('missing')] },
    { name: 'absurd ones', faults: [nonsense('absurd')] },
    { name: 'backwards, every second time', faults: [nonsense('backwards', { probability: 0.5 })] },
    { name: 'a reset in a year, and a secondary limit', faults: [nonsense('far'), dispatch('secondary', { hint: 'retry-after', seconds: 3, count: 1, skip: 2 })] },
];

/* An answer is lost, too: the search for its run goes by the forge's clock. */
const hour_ms = 3600_000;
const clocks: Case[] = [
    { name: 'an hour ahead', faults: [dispatch('reset-after', { count: 2 })], order: { sim: { clockAheadMs: hour_ms } } },
    { name: 'an hour behind', faults: [dispatch('reset-after', { count: 2 })], order: { sim: { clockAheadMs: -hour_ms } } },
];

const styles: Case[] = [
    { name: 'GHES (204, no run id), the run\'s name has our id', faults: [], order: { sim: { dispatchStyle: 'ghes' } } },
    { name: 'GHES that refuses return_run_details', faults: [], order: { sim: { dispatchStyle: 'ghes-strict' } } },
    { name: 'GHES with lost answers', faults: [dispatch('reset-after', { count: 2 })], order: { sim: { dispatchStyle: 'ghes' } } },
    { name: 'no id in the run\'s name, but the answer has the run', faults: [], order: nameless },
    { name: 'installation tokens of the old form', faults: [], order: { sim: { tokenFormat: 'classic' } } },
    { name: 'installation tokens of the new, long form', faults: [], order: { sim: { tokenFormat: 'stateless' } } },
];

/* Each has a box of its own, and most of its time is waiting: several at once. The longest begins. */
describe('the same end, whatever goes wrong', { concurrency: 4 }, () => {
    for (const one of [...limits].reverse()) it(`limits: ${one.name}`, () => withBox({ ...one.order }, (box) => tell(box, one)));
    for (const one of [...hooks].reverse()) it(`webhooks: ${one.name}`, () => withBox({ ...one.order }, (box) => tell(box, one)));
    for (const one of calls) it(`calls: ${one.name}`, () => withBox({ ...one.order }, (box) => tell(box, one)));
    for (const one of numbers) it(`quota numbers: ${one.name}`, () => withBox({ ...one.order }, (box) => tell(box, one)));
    for (const one of clocks) it(`GitHub's clock: ${one.name}`, () => withBox({ ...one.order }, (box) => tell(box, one)));
    for (const one of styles) it(`GitHub: ${one.name}`, () => withBox({ ...one.order }, (box) => tell(box, one)));
    for (const one of [calls[0]!, calls[7]!, hooks[10]!, limits[0]!])
        it(`PostgreSQL: ${one.name}`, () => withBox({ database: postgres, ...one.order }, (box) => tell(box, one)));
});

describe('told to wait, and killed', () => {
    it('the next life waits, too', () =>
        withBox({ database: sqlite }, async (box) => {
            await box.sim.fault(dispatch('secondary', { hint: 'retry-after', seconds: 8, count: 1, skip: 2 }));
            const pull = await box.pull();
            await box.uploadPull(diamond, pull);
            const batch = await box.batch('opened');
            await box.until('the refusal to be stored', async () => /secondary rate limit/.test(JSON.stringify(await box.nodes(batch.id))));
            await box.serve.end('SIGKILL');
            await box.serve.start();
            assert.equal((await box.ended('opened')).verdict, 'success', await box.state());
            await box.checked(pull.head_sha, 'success');
            await box.clean({ intents: 7 });
        }));
});

describe('GHES without any id: one at a time can be told apart, and what cannot says so', () => {
    it('a chain is followed by elimination', () =>
        withBox({ database: sqlite, sim: { dispatchStyle: 'ghes' }, files: repositoryFiles({ named: false }) }, async (box) => {
            const pull = await box.pull();
            const chain = [{ component: 'a' }, { component: 'b', after: ['a'] }, { component: 'c', after: ['b'] }];
            await box.uploadPull(chain, pull);
            assert.equal((await box.ended('opened')).verdict, 'success', await box.state());
            await box.inOrder(plan_file, chain);
            await box.clean({ intents: 3 });
        }));
});
