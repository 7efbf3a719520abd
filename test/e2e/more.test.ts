/* Releases, the merge queue, a person's order, locks, and what is wrong with a workflow file. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { all_success, apply_file, databasesStop, plan_file, postgres, Refused, sqlite, withBox, type Batch } from './box.ts';
import { diamond, proOf, repositoryFiles, stack_default, workflow, type Part } from './graph.ts';

after(databasesStop);

describe('a release', () => {
    it('published and released are one batch, in order', () =>
        withBox({}, async (box) => {
            const head = (await box.forge()).refs['refs/heads/main'] ?? box.base;
            await box.sim.release(box.repo, { tag: 'v1.0.0', target: 'main', actions: ['published', 'released'] });
            await box.upload(diamond, { event_name: 'release', ref: 'refs/tags/v1.0.0', head_sha: head });
            await box.until('the batch of the release', async () => (await box.batches()).some((batch) => batch.event === 'release' && batch.state === 'ended'));
            await box.sim.idle();
            const batches = await box.batches();
            assert.equal(batches.length, 1, JSON.stringify(batches));
            assert.equal(batches[0]!.verdict, 'success');
            await box.inOrder(apply_file, diamond);
            await box.checked(head, 'success');
            await box.clean({ intents: 7 });
        }));
});

describe('the merge queue', { concurrency: 3 }, () => {
    it('falls back to synchronize, has a check at the queue\'s commit, and never applies', () =>
        withBox({}, async (box) => {
            const pull = await box.pull();
            const group = await box.sim.mergeGroup(box.repo, pull.number);
            await box.upload(diamond, { event_name: 'merge_group', ref: group.head_ref, head_sha: group.head_sha, base_sha: group.base_sha });
            const batch = await box.ended('checks_requested');
            assert.equal(batch.verdict, 'success');
            assert.equal((await box.forgeRuns(plan_file)).length, 7);
            assert.equal((await box.forgeRuns(apply_file)).length, 0);
            await box.checked(group.head_sha, 'success');
            await box.clean({ intents: 7 });
        }));

    it('its own checks_requested wins over the fallback', () =>
        withBox({}, async (box) => {
            const pro = { ...proOf({ component: 'dns' }), merge_group: { checks_requested: { workflows: { [apply_file]: { inputs: { component: 'dns', stack: stack_default } } } } } };
            const pull = await box.pull();
            const group = await box.sim.mergeGroup(box.repo, pull.number);
            await box.upload([{ component: 'dns', pro }], { event_name: 'merge_group', ref: group.head_ref, head_sha: group.head_sha });
            assert.equal((await box.ended('checks_requested')).verdict, 'success');
            assert.equal((await box.forgeRuns(plan_file)).length, 0);
            await box.clean({ intents: 1 });
        }));
});

describe('a person\'s order', { concurrency: 3 }, () => {
    for (const database of [sqlite, postgres])
        it(`a dry run says what would go and sends nothing; the order itself goes in order (${database.name})`, () =>
            withBox({ database }, async (box) => {
                const pull = await box.pull();
                await box.uploadPull(diamond, pull);
                await box.ended('opened');
                const order = {
                    repo: box.repo, stack: stack_default, component: 'cluster', workflow: apply_file, withDependents: true, sha: pull.head_sha,
                    inputs: { stack: 'y' },
                };
                const dry = await box.post<{ dispatches: number; apiCalls: number; order: { component: string; level: number }[] }>('/api/v1/dispatch', {
                    ...order,
                    dryRun: true,
                });
                assert.deepEqual(dry.order.map((one) => one.component), ['cluster', 'app', 'smoke']);
                assert.equal(dry.dispatches, 3);
                assert.ok(dry.apiCalls >= 3);
                await box.sim.idle();
                assert.equal((await box.forgeRuns(apply_file)).length, 0, 'a dry run sends nothing');

                await box.post('/api/v1/dispatch', order);
                const batch = await box.ended('dispatch');
                assert.equal(batch.verdict, 'success');
                assert.ok(all_success(await box.states(batch.id)));
                const runs = await box.forgeRuns(apply_file);
                assert.equal(runs.length, 3);
                assert.ok(runs.every((run, i) => i === 0 || run.created_at_ms >= runs[i - 1]!.history.at(-1)!.at), 'each after the other');
                assert.deepEqual(runs.map((run) => [run.inputs['component'], run.inputs['stack']]),
                    [['cluster', 'y'], ['app', 'y'], ['smoke', 'y']], 'each is told who it is, unless the order says otherwise');
                await box.clean({ intents: 7 + 3 });
            }));
});

describe('a lock', { concurrency: 3 }, () => {
    for (const database of [sqlite, postgres])
        it(`holds its instance and what stands on it; unlocking lets them go (${database.name})`, () =>
            withBox({ database }, async (box) => {
                const key = `${box.repo}/${stack_default}/cluster`;
                const lock = await box.post<{ token: number }>('/api/v1/locks', { key, ttl: 600, lockMessage: 'moving <b>state</b> | by hand' });
                assert.ok(lock.token >= 1);
                await assert.rejects(box.post('/api/v1/locks', { key, ttl: 600 }), (error: Refused) => error.status === 409 && error.message.includes('by hand'));
                const pull = await box.pull();
                await box.uploadPull(diamond, pull);
                const batch = await box.batch('opened');
                await box.until('the rest to be done', async () => {
                    const states = await box.states(batch.id);
                    return states['cluster'] === 'locked' && states['database'] === 'success' && states['dns'] === 'success';
                });
                assert.equal((await box.states(batch.id))['app'], 'waiting');
                assert.equal((await box.forgeRuns(plan_file)).filter((run) => run.inputs['component'] === 'cluster').length, 0);
                assert.equal((await box.get<Batch>(`/api/v1/batches/${batch.id}`)).state, 'running');
                if (database === sqlite) {      /* the comment rests ten seconds between two edits: once is enough */
                    const text = await box.commented(pull.number, /lock/i);
                    assert.ok(text.includes('moving'), text);
                    assert.doesNotMatch(text, /<b>state<\/b>/, 'the message is text, not markup');
                }
                await box.send('DELETE', '/api/v1/locks', { key });
                assert.equal((await box.ended('opened')).verdict, 'success');
                await box.commented(pull.number, /7/);
                await box.checked(pull.head_sha, 'success');
                await box.clean({ intents: 7 });
                await box.noLocks();
            }));

    it('that expires lets its instance go by itself', () =>
        withBox({}, async (box) => {
            await box.post('/api/v1/locks', { key: `${box.repo}/${stack_default}/dns`, ttl: 15 });
            const pull = await box.pull();
            await box.uploadPull([{ component: 'dns' }], pull);
            const batch = await box.batch('opened');
            await box.until('the lock gate', async () => (await box.states(batch.id))['dns'] === 'locked');
            assert.equal((await box.ended('opened')).verdict, 'success');
            await box.clean({ intents: 1 });
        }));
});

describe('what cannot be dispatched says why, and only that node fails', { concurrency: 3 }, () => {
    interface Case {
        name: string;
        files?: Record<string, string>;
        part: Part;
        code: string;
        text: RegExp;
    }
    const with_file = (file: string): object => proOf({ component: 'odd' }, { plan: file });
    const cases: Case[] = [
        { name: 'the file is missing', part: { component: 'odd', pro: with_file('nowhere.yaml') }, code: 'workflow_not_found', text: /nowhere\.yaml/ },
        {
            name: 'the file has no workflow_dispatch',
            files: { '.github/workflows/push.yaml': workflow('push', { on: '  push:\n' }) },
            part: { component: 'odd', pro: with_file('push.yaml') }, code: 'workflow_not_dispatchable', text: /workflow_dispatch/,
        },
        {
            name: 'the file is not YAML',
            files: { '.github/workflows/broken.yaml': 'on: [workflow_dispatch\njobs: }{' },
            part: { component: 'odd', pro: with_file('broken.yaml') }, code: 'workflow_unreadable', text: /YAML/,
        },
        {
            name: 'a required input has no value',
            files: { '.github/workflows/strict.yaml': workflow('strict', { inputs: '      component: { type: string, required: true }\n      approver: { type: string, required: true }\n' }) },
            part: { component: 'odd', pro: with_file('strict.yaml') }, code: 'missing_required_input', text: /approver/,
        },
        { name: 'a template was not rendered', part: { component: 'odd', inputs: { component: '{{ .vars.region }}' } }, code: '', text: /templat/i },
        { name: 'the file name leads elsewhere', part: { component: 'odd', pro: with_file('../../etc/passwd') }, code: '', text: /name/ },
    ];
    for (const { name, files, part, code, text } of cases)
        it(name, () =>
            withBox({ files: { ...repositoryFiles(), ...files } }, async (box) => {
                const pull = await box.pull();
                await box.uploadPull([part, { component: 'dns' }], pull);
                const batch = await box.ended('opened');
                assert.equal(batch.verdict, 'failure');
                const nodes = await box.nodes(batch.id);
                const odd = nodes.find((node) => node.component === 'odd')!;
                assert.equal(odd.state, 'error', JSON.stringify(odd));
                if (code) assert.equal(odd.errorCode, code);
                assert.match(odd.errorText, text);
                assert.equal(nodes.find((node) => node.component === 'dns')!.state, 'success');
                await box.checked(pull.head_sha, 'failure');
                await box.commented(pull.number, /odd/);
                await box.clean({ intents: 1 });
            }));

    it('inputs that the file does not declare are left out, the rest arrives as text', () =>
        withBox({}, async (box) => {
            const pull = await box.pull();
            await box.uploadPull([{ component: 'dns', inputs: { upload: true, attempts: 3, component: 'dns' } }], pull);
            assert.equal((await box.ended('opened')).verdict, 'success');
            const [run] = await box.forgeRuns(plan_file);
            assert.deepEqual(Object.keys(run!.inputs).sort(), ['atmos_pro_run_id', 'component', 'sha', 'stack']);
            assert.equal(run!.inputs['sha'], pull.head_sha);
            await box.clean({ intents: 1 });
        }));

    it('a loop is refused and named', () =>
        withBox({}, async (box) => {
            const pull = await box.pull();
            const leaf = (component: string, dependents: unknown[]) => ({
                component, stack: stack_default, component_type: '', component_path: '', stack_slug: '', included_in_dependents: false,
                settings: { pro: proOf({ component }) }, dependents,
            });
            const stacks = [leaf('egg', [leaf('hen', [leaf('egg', [])])])];
            await box.uploadPull([], pull, { stacks: stacks as never });
            const batch = await box.ended('opened');
            assert.equal(batch.verdict, 'failure');
            assert.match(batch.error, /egg.*hen|hen.*egg/);
            await box.checked(pull.head_sha, 'failure');
            await box.clean({ intents: 0 });
        }));

    it('nothing affected: a neutral check and no comment at all', () =>
        withBox({}, async (box) => {
            const pull = await box.pull();
            await box.uploadPull([], pull);
            await box.checked(pull.head_sha, 'neutral');
            await box.sim.idle();
            assert.deepEqual(await box.comments(pull.number), []);
            await box.clean({ intents: 0 });
        }));
});
