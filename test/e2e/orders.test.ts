/*
 * Orders on the forge, end to end: boxes ticked in our comment, and words in people's own. Each is carried out once, or undone with a
 * line that says why; whatever was done to the comment, it ends as we wrote it (seed 002).
 */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { all_success, databasesStop, plan_file, postgres, sqlite, withBox, type Box, type BoxOrder } from './box.ts';
import { diamond, type Part } from './graph.ts';

after(databasesStop);

interface AuditEntry {
    action: string;
    actor: { type: string; id: string };
    target: { type: string; id: string };
    at: string;
    description: string;
    metadata: { from?: string };
}

const fleet = (count: number): Part[] => Array.from({ length: count }, (_, i) => ({ component: `stack-${String(i).padStart(3, '0')}` }));

/** ana may write, max maintains, eve may only read. */
async function withPeople(order: BoxOrder, settings: Record<string, unknown>, story: (box: Box) => Promise<void>): Promise<void> {
    await withBox({ ...order, serve: { github_pace: 0, ...order.serve } }, async (box) => {
        await box.sim.addUser(box.repo, 'ana', 'write');
        await box.sim.addUser(box.repo, 'max', 'maintain');
        await box.sim.addUser(box.repo, 'eve', 'read');
        await box.setting(settings);
        await story(box);
    });
}

async function held(box: Box, parts: Part[], number = 1): Promise<string> {
    const pull = await box.pull();
    assert.equal(pull.number, number);
    await box.uploadPull(parts, pull);
    await box.checked(pull.head_sha, 'action_required');
    await box.commented(number, /- \[ \] \*\*Dispatch/);
    assert.deepEqual(await box.forgeRuns(plan_file), []);
    return (await box.batch('opened', pull.head_sha)).id;
}

const audit = async (box: Box, isIt: (entry: AuditEntry) => boolean) => (await box.all<AuditEntry>('/api/v1/audit')).filter(isIt);
const isTicked = /- \[x\]/i;

async function comesToRest(box: Box, number = 1): Promise<string> {
    await box.until('a comment without ticks', async () => !isTicked.test(await box.comment(number)));
    return box.comment(number);
}

for (const database of [sqlite, postgres])
    describe(`247 stacks on ${database.name}`, () => {
        it('are held; a tick by somebody who may write dispatches them, once', () =>
            withPeople({ database, runMs: 20 }, { threshold_hold: true, threshold: 50 }, async (box) => {
                const batch = await held(box, fleet(247));
                const text = await box.comment(1);
                assert.match(text, /247/);
                assert.match(text, /50/);
                await box.tick(1, 'ana', 'Dispatch all 247 stacks anyway');
                await box.until('all 247 to succeed', async () => all_success(await box.states(batch)), 120_000);
                await box.checked(await headOf(box), 'success');
                await comesToRest(box);
                const released = await audit(box, (one) => one.target.id === batch && one.actor.id === 'ana');
                assert.equal(released.length, 1, JSON.stringify(released));
                assert.match(JSON.stringify(released[0]), /checkbox/);
                await box.commented(1, /Released by ana at (\d{4}-\d\d-\d\d )?\d\d:\d\d UTC \(threshold: would dispatch 247 stacks, the threshold is 50\)/);
                const { released: of } = await box.get<{ released: { kind: string; by: string; at: string }[] }>(`/api/v1/batches/${batch}`);
                assert.deepEqual(
                    of.map(({ kind, by, at }) => [kind, by, Date.parse(at) > 0]),
                    [['threshold', 'ana', true]],
                );
                const { reasons } = await box.get<{ reasons: { code: string; text: string }[] }>(`/api/v1/batches/${batch}/explain`);
                assert.match(reasons.find((one) => one.code === 'released')?.text ?? '', /^released by ana at .* \(threshold: would dispatch 247/);
                await box.clean({ intents: 247 });
            }));
    });

async function headOf(box: Box, number = 1): Promise<string> {
    return (await box.sim.pull(box.repo, number)).head_sha;
}

describe('who may', () => {
    it('a reader sees the tick undone, and a line that says why; with more rights it works', () =>
        withPeople({}, { threshold_hold: true, threshold: 2 }, async (box) => {
            await held(box, diamond);
            await box.tick(1, 'eve', 'Dispatch all');
            await box.commented(1, /`dispatch` by eve at .* was not carried out: it takes write access to this repository, they have read/);
            assert.match(await comesToRest(box), /- \[ \] \*\*Dispatch all 7 stacks anyway\*\*/);
            assert.deepEqual(await box.forgeRuns(plan_file), []);
            assert.equal((await audit(box, (one) => one.action === 'order_denied' && one.actor.id === 'eve')).length, 1);

            await box.sim.addUser(box.repo, 'eve', 'write');
            await box.tick(1, 'eve', 'Dispatch all');
            assert.equal((await box.ended('opened')).verdict, 'success');
            await comesToRest(box);
            await box.clean({ intents: 7 });
        }));

    it('the forge is asked, again and again when it does not answer', () =>
        withPeople({}, { threshold_hold: true, threshold: 2 }, async (box) => {
            await held(box, diamond);
            await box.sim.fault({ on: 'api', kind: 'unavailable503', route: 'GET *permission', count: 2 });
            await box.tick(1, 'max', 'Dispatch all');
            assert.equal((await box.ended('opened')).verdict, 'success');
            await box.clean({ intents: 7 });
        }));
});

describe('races', () => {
    it('two people at once, and each told twice: one dispatch', () =>
        withPeople({}, { threshold_hold: true, threshold: 2 }, async (box) => {
            await box.sim.fault({ on: 'webhook', kind: 'duplicate', event: 'issue_comment*' });
            await box.sim.fault({ on: 'webhook', kind: 'semantic-duplicate', event: 'issue_comment*' });
            const batch = await held(box, diamond);
            const [comment] = await box.ours(1);
            const page = comment!.body;
            await Promise.all([
                box.sim.tickComment(box.repo, comment!.id, 'ana', 'Dispatch all', page),
                box.sim.tickComment(box.repo, comment!.id, 'max', 'Dispatch all', page),
            ]);
            assert.equal((await box.ended('opened')).verdict, 'success');
            await comesToRest(box);
            assert.equal((await audit(box, (one) => one.target.id === batch && one.action.includes('released'))).length, 1);
            await box.clean({ intents: 7 });
        }));

    it('a page that shows an older head orders nothing', () =>
        withPeople({}, { threshold_hold: true, threshold: 2 }, async (box) => {
            await held(box, diamond);
            const [comment] = await box.ours(1);
            const next = await box.sim.pushToPull(box.repo, 1, { 'b.tf': '# more\n' });
            await box.uploadPull(diamond, next);
            await box.checked(next.head_sha, 'action_required');
            await box.until('the control of the new head', async () => (await box.comment(1)) !== comment!.body && /- \[ \] \*\*Dispatch/.test(await box.comment(1)));
            await box.sim.tickComment(box.repo, comment!.id, 'ana', 'Dispatch all', comment!.body);
            await comesToRest(box);
            await box.sim.idle();
            assert.deepEqual(await box.forgeRuns(plan_file), []);

            await box.tick(1, 'ana', 'Dispatch all');
            assert.equal((await box.ended('synchronize')).verdict, 'success');
            await box.clean({ intents: 7 });
        }));

    it('a comment that was edited by hand is written again; one that was deleted comes back, and works', () =>
        withPeople({}, { threshold_hold: true, threshold: 2 }, async (box) => {
            await held(box, diamond);
            const [first] = await box.ours(1);
            await box.sim.editComment(box.repo, first!.id, 'ana', 'all is well\n\n- [x] go <!-- signalbox:dispatch batch_1 -->');
            const isAsItWas = (text: string) => !/all is well/.test(text) && !isTicked.test(text) && /- \[ \] \*\*Dispatch all 7 stacks anyway/.test(text);
            await box.until('the comment as it was', async () => isAsItWas(await box.comment(1)));
            await box.sim.deleteComment(box.repo, first!.id, 'ana');
            await box.until('another comment', async () => (await box.ours(1)).some((one) => one.id !== first!.id && isAsItWas(one.body)));
            const forged = await box.sim.comment(box.repo, 1, 'eve', first!.body);
            await box.sim.tickComment(box.repo, forged.id, 'ana', 'Dispatch all');
            await box.sim.idle();
            assert.deepEqual(await box.forgeRuns(plan_file), []);

            await box.tick(1, 'ana', 'Dispatch all');
            assert.equal((await box.ended('opened')).verdict, 'success');
            await comesToRest(box);
            await box.clean({ intents: 7 });
        }));

    for (const waits_ms of [0, 15, 60, 200])
        it(`kill -9 ${waits_ms} ms after the tick: one dispatch, and a comment that is right`, () =>
            withPeople({ database: waits_ms % 2 === 0 ? sqlite : postgres }, { threshold_hold: true, threshold: 2 }, async (box) => {
                await held(box, diamond);
                await box.tick(1, 'ana', 'Dispatch all');
                await new Promise((done) => setTimeout(done, waits_ms));
                await box.serve.end('SIGKILL');
                await box.serve.start();
                /* A delivery that found nobody is asked for again by hand here; the server does so every minute. */
                for (const one of await box.sim.deliveries({ event: 'issue_comment', bodies: false })) await box.sim.redeliver(one.id);
                assert.equal((await box.ended('opened')).verdict, 'success');
                await comesToRest(box);
                await box.commented(1, /7 succeeded/);
                await box.clean({ intents: 7 });
            }));
});

describe('rapid pushes', () => {
    it('pause the pull request; a tick resumes it with the newest head alone', () =>
        withPeople({}, { rapid_push_hold: true, rapid_pushes: 2, rapid_push_minutes: 10 }, async (box) => {
            let pull = await box.pull();
            await box.uploadPull(diamond, pull);
            await box.ended('opened');
            for (let i = 0; i < 4; i++) {
                pull = await box.sim.pushToPull(box.repo, 1, { 'b.tf': `# push ${i}\n` });
                await box.uploadPull(diamond, pull);
                await box.batch('synchronize', pull.head_sha);
            }
            await box.checked(pull.head_sha, 'action_required');
            await box.commented(1, /- \[ \] \*\*Resume dispatches\*\*/);
            await box.until('no call under way', async () => !(await box.runs()).some((run) => run.state === 'dispatching'));
            const before = (await box.forgeRuns(plan_file)).length;
            await box.tick(1, 'max', 'Resume dispatches');
            assert.equal((await box.ended('synchronize', pull.head_sha)).verdict, 'success');
            await comesToRest(box);
            const runs = (await box.forgeRuns(plan_file)).slice(before);
            assert.equal(runs.length, 7);
            assert.ok(runs.every((run) => run.inputs['sha'] === undefined || run.inputs['sha'] === pull.head_sha));
            assert.equal((await audit(box, (one) => one.actor.id === 'max')).length, 1);
            await box.clean();
        }));
});

describe('drafts', () => {
    it('wait; made ready, they go by themselves', () =>
        withPeople({}, {}, async (box) => {
            const pull = await box.pull({ draft: true });
            await box.uploadPull(diamond, pull);
            await box.checked(pull.head_sha, 'action_required');
            await box.commented(1, /draft/i);
            assert.deepEqual(await box.forgeRuns(plan_file), []);
            await box.sim.setDraft(box.repo, 1, false);
            assert.equal((await box.ended('opened')).verdict, 'success');
            await box.checked(pull.head_sha, 'success');
            await box.clean({ intents: 7 });
        }));

    it('or somebody dispatches them anyway', () =>
        withPeople({}, {}, async (box) => {
            const pull = await box.pull({ draft: true });
            await box.uploadPull(diamond, pull);
            await box.commented(1, /- \[ \] \*\*Dispatch anyway\*\*/);
            await box.tick(1, 'ana', 'Dispatch anyway');
            assert.equal((await box.ended('opened')).verdict, 'success');
            await comesToRest(box);
            await box.clean({ intents: 7 });
        }));
});

describe('words', () => {
    it('/signalbox explain is answered in a comment of its own, /signalbox dispatch and cancel in ours', () =>
        withPeople({ runMs: 5000 }, { threshold_hold: true, threshold: 2 }, async (box) => {
            const batch = await held(box, diamond);
            await box.sim.comment(box.repo, 1, 'ana', 'Why does nothing happen?\n\n/signalbox explain\n');
            await box.until('an answer', async () => (await box.ours(1, '<!-- signalbox:reply:')).length === 1);
            const [answer] = await box.ours(1, '<!-- signalbox:reply:');
            assert.match(answer!.body, /7 stacks/);

            await box.sim.comment(box.repo, 1, 'eve', '/signalbox dispatch');
            await box.commented(1, /`dispatch` by eve at .* was not carried out/);
            await box.sim.comment(box.repo, 1, 'max', 'Looks fine.\r\n/signalbox dispatch\r\n');
            await box.until('plans that run', async () => Object.values(await box.states(batch)).includes('running'));
            await box.sim.comment(box.repo, 1, 'max', '> /signalbox cancel\n\nno, wait\n');
            await box.sim.comment(box.repo, 1, 'ana', '/signalbox cancel');
            assert.equal((await box.ended('opened')).verdict, 'cancelled');
            await box.commented(1, /`cancel` by ana/);
            const entry = await audit(box, (one) => one.action === 'cancelled');
            assert.deepEqual(entry.map((one) => [one.actor.id, one.metadata.from]), [['ana', 'comment']]);
            await box.clean();
        }));

    it('/signalbox retry sends one again, unlock frees a key of this repository, anything else is answered with help', () =>
        withPeople({}, {}, async (box) => {
            const pull = await box.pull();
            await box.uploadPull(diamond, pull);
            await box.ended('opened');
            await box.sim.comment(box.repo, 1, 'ana', '/signalbox retry acme-use1-prod dns');
            await box.until('an eighth run', async () => (await box.forgeRuns(plan_file)).length === 8);
            assert.equal((await box.ended('opened')).verdict, 'success');

            await box.post('/api/v1/locks', { key: `${box.repo}/acme-use1-prod/dns`, ttl: 3600, lockMessage: 'mine' });
            await box.sim.comment(box.repo, 1, 'eve', '/signalbox unlock acme-use1-prod/dns');
            await box.commented(1, /`unlock` by eve at .* was not carried out/);
            assert.equal((await box.all('/api/v1/locks')).length, 1);
            await box.sim.comment(box.repo, 1, 'ana', '/signalbox unlock acme-use1-prod/dns');
            await box.until('no lock', async () => (await box.all('/api/v1/locks')).length === 0);

            await box.sim.comment(box.repo, 1, 'ana', '/signalbox launch @everyone');
            await box.commented(1, /there is no such order/);
            await box.clean({ intents: 8 });
        }));
});
