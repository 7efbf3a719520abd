/* What a platform team sees, from the first upload to the last result (issue text points 3, 4, 6, 7, 8). */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { all_success, apply_file, databasesStop, plan_file, postgres, sqlite, withBox } from './box.ts';
import { diamond } from './graph.ts';
import { affectedSet, components, instances, sampleFiles, standsOn } from '../demo/sample.ts';

after(databasesStop);

for (const database of [sqlite, postgres])
    describe(`a pull request's life on ${database.name}`, () => {
        it('plans 24 instances in order, keeps check and comment true, then applies them in order', () =>
            withBox({ database, files: sampleFiles(), runMs: 700 }, async (box) => {
                const pull = await box.pull();
                await box.until('a check at the new head', async () => (await box.check(pull.head_sha)) !== undefined);
                assert.notEqual((await box.check(pull.head_sha))!.status, 'completed', 'nothing is known yet');

                await box.uploadPull([], pull, { stacks: affectedSet() as never });
                await box.until('a check that is in progress', async () => (await box.check(pull.head_sha))?.status === 'in_progress');
                const planned = await box.ended('opened');
                assert.equal(planned.verdict, 'success');
                assert.equal((await box.nodes(planned.id)).length, 24);
                await box.checked(pull.head_sha, 'success');
                await box.commented(pull.number, /24/);

                await box.sim.mergePull(box.repo, pull.number);
                await box.uploadPull([], pull, { stacks: affectedSet() as never, ref: 'refs/heads/main' });
                const applied = await box.ended('merged');
                assert.equal(applied.verdict, 'success');
                assert.ok(all_success(await box.states(applied.id)));
                await box.commented(pull.number, /appl/i);

                const parts = instances.map(({ component, stack }) => ({ component, stack, after: standsOn[component]! }));
                assert.equal(components.length * 3, parts.length);
                await box.inOrder('atmos-terraform-plan.yaml', parts);
                await box.inOrder('atmos-terraform-apply.yaml', parts);
                await box.clean({ intents: 48 });
                await box.noLocks();
            }));

        it('skips what stands on a failed apply, in one line, and goes on when GitHub\'s re-run button is pressed', () =>
            withBox({ database }, async (box) => {
                await box.sim.script({ match: { workflow: apply_file, component: 'network' }, conclusion: 'failure', count: 1 });
                const pull = await box.pull();
                await box.uploadPull(diamond, pull);
                await box.ended('opened');
                await box.sim.mergePull(box.repo, pull.number);
                await box.uploadMerged(diamond, pull);
                const failed = await box.ended('merged');
                assert.equal(failed.verdict, 'failure');
                assert.deepEqual(await box.states(failed.id), {
                    network: 'failure', cluster: 'skipped', database: 'skipped', app: 'skipped', smoke: 'skipped', dns: 'success', logs: 'success',
                });
                await box.checked(pull.head_sha, 'failure');
                const text = await box.commented(pull.number, /network[^\n]*4/);
                const naming = text.split('\n').filter((line) => /skipped/i.test(line) && /4/.test(line));
                assert.ok(naming.length >= 1, `one line says that four were skipped:\n${text}`);
                const shown = text.split('<details')[0]!;
                assert.doesNotMatch(shown, /smoke/, 'a skipped dependent has no line of its own above the fold');

                await box.sim.checkRequest(box.repo, (await box.check(pull.head_sha))!.id);
                await box.until('the whole batch to succeed', async () => all_success(await box.states(failed.id)));
                await box.checked(pull.head_sha, 'success');
                await box.commented(pull.number, /7/);
                await box.clean({ intents: 7 + 7 + 1 });
                const runs = (await box.forgeRuns(apply_file)).map((run) => run.inputs['component']);
                assert.deepEqual(runs.filter((name) => name === 'dns' || name === 'logs').length, 2, 'what had succeeded did not run again');
            }));
    });

describe('the event and the upload meet in either order', () => {
    it('event first, then upload', () =>
        withBox({}, async (box) => {
            const pull = await box.pull();
            await box.sim.idle();
            assert.deepEqual(await box.batches(), []);
            await box.uploadPull(diamond, pull);
            assert.equal((await box.ended('opened')).verdict, 'success');
            await box.clean({ intents: 7 });
        }));

    it('upload first, its event comes late', () =>
        withBox({}, async (box) => {
            await box.sim.fault({ on: 'webhook', kind: 'delay', event: 'pull_request.opened', ms: 700 });
            const pull = await box.pull();
            await box.uploadPull(diamond, pull);
            assert.equal((await box.ended('opened')).verdict, 'success');
            await box.clean({ intents: 7 });
        }));

    it('a webhook that comes twice, and one that is told again under a new id, make one batch', () =>
        withBox({}, async (box) => {
            await box.sim.fault({ on: 'webhook', kind: 'duplicate', event: 'pull_request*' });
            await box.sim.fault({ on: 'webhook', kind: 'semantic-duplicate', event: '*' });
            const pull = await box.pull();
            await box.uploadPull(diamond, pull);
            assert.equal((await box.ended('opened')).verdict, 'success');
            const sent = await box.sim.deliveries({ event: 'pull_request', bodies: false });
            for (const one of sent) await box.sim.redeliver(one.id);
            await box.sim.idle();
            assert.equal((await box.batches()).length, 1);
            await box.clean({ intents: 7 });
        }));
});

describe('a pull request that moves', () => {
    it('a new head supersedes what has not started, and is planned itself', () =>
        withBox({}, async (box) => {
            await box.sim.script({ match: { component: 'network' }, runMs: 3_600_000, count: 1 });
            const first = await box.pull();
            await box.uploadPull(diamond, first);
            const old = await box.batch('opened');
            await box.until('a plan that runs', async () => (await box.states(old.id))['network'] === 'running');
            const second = await box.sim.pushToPull(box.repo, first.number, { 'b.tf': '# more\n' });
            await box.uploadPull(diamond, second);
            assert.equal((await box.ended('synchronize')).verdict, 'success');
            const [live] = (await box.forgeRuns(plan_file)).filter((run) => run.status !== 'completed');
            await box.sim.run(live!.id, 'finish', { conclusion: 'success' });
            const before = await box.ended('opened');
            assert.equal(before.verdict, 'superseded');
            const states = await box.states(before.id);
            assert.equal(states['smoke'], 'superseded');
            assert.equal(states['network'], 'success', 'a run that was live is left alone');
            await box.checked(second.head_sha, 'success');
            await box.clean();
        }));

    it('closing cancels what goes on and leaves no lock behind', () =>
        withBox({ runMs: 5000 }, async (box) => {
            const pull = await box.pull();
            await box.uploadPull(diamond, pull);
            const batch = await box.batch('opened');
            await box.until('plans that run', async () => (await box.states(batch.id))['network'] === 'running');
            const session = await box.session({ ref: `refs/pull/${pull.number}/merge`, head_ref: pull.head_ref, head_sha: pull.head_sha });
            const locked = await fetch(`${box.serve.url}/api/v1/locks`, {
                method: 'POST',
                headers: { authorization: `Bearer ${session}`, 'content-type': 'application/json' },
                body: JSON.stringify({ key: `${box.repo}/acme-use1-prod/database`, ttl: 3600, lockMessage: 'mine' }),
            });
            assert.equal(locked.status, 200, await locked.text());
            await box.sim.closePull(box.repo, pull.number);
            const ended = await box.ended('opened');
            assert.equal(ended.verdict, 'cancelled');
            assert.ok(Object.values(await box.states(ended.id)).every((state) => state === 'cancelled'));
            await box.noLocks();
            assert.ok((await box.forgeRuns(plan_file)).every((run) => run.status === 'completed'), 'no run is left alive');
            await box.clean();
        }));
});
