/* Why something has not run: the reasons as they come over HTTP, from a push without an upload to a batch that has ended. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { PullView } from '../forge-sim/client.ts';
import { databases } from '../run/server.ts';
import { affected, eventually, House, upload, type Repo, type Value } from './house.ts';

const workflow =
    'on:\n  workflow_dispatch:\n    inputs:\n      component: {type: string}\n      stack: {type: string}\n      atmos_pro_run_id: {type: string}\njobs: {a: {runs-on: x, steps: []}}\n';
const settings = (component: string) => ({
    pro: {
        enabled: true,
        pull_request: {
            opened: { workflows: { 'plan.yaml': { inputs: { component, stack: 'dev' } } } },
        },
    },
});
/** app waits for cluster, cluster for network; "old" is gone. */
const chain = (missing = 'plan.yaml') => [
    affected('network', 'dev', {
        settings: settings('network'),
        dependents: [
            affected('cluster', 'dev', {
                settings: settings('cluster'),
                included_in_dependents: true,
                dependents: [
                    affected('app', 'dev', {
                        settings: settings('app'),
                        included_in_dependents: true,
                    }),
                ],
            }),
        ],
    }),
    affected('lost', 'dev', {
        settings: {
            pro: {
                enabled: true,
                pull_request: { opened: { workflows: { [missing]: { inputs: {} } } } },
            },
        },
    }),
    affected('old', 'dev', { deleted: true, deletion_type: 'component' }),
];
const codes = (data: Value) => (data['reasons'] as Value[]).map((one) => one['code'] as string);

for (const kind of databases)
    describe(`explain, on ${kind.name}`, () => {
        let house: House;
        let repo: Repo;
        let pull: PullView;
        const why = async (path: string) => (await house.ok('GET', `/api/v1/${path}`)).data;
        const ofPull = () => why(`repositories/${repo.lane}/pulls/${pull.number}/explain`);

        before(async () => {
            house = await House.open(kind);
            repo = await house.repo('why', { '.github/workflows/plan.yaml': workflow });
            pull = await house.sim.openPull(repo.full_name, {
                head: 'feature',
                title: 'Why',
                files: { 'a.tf': '#' },
            });
            await eventually(ofPull);
        });
        after(() => house?.close());

        it('says what a new head waits for, since when and until when', async () => {
            const data = await ofPull();
            assert.equal(data['kind'], 'change');
            assert.equal(data['change']['number'], pull.number);
            assert.equal(data['batch'], null);
            assert.deepEqual(codes(data), ['waits_for_upload']);
            const [reason] = data['reasons'] as Value[];
            assert.match(reason!['text'], /^opened of [0-9a-f]{7} waits for its list of affected stacks since /);
            assert.match(reason!['text'], /none has sent one yet/);
            const waits_ms = Date.parse(reason!['until']) - Date.parse(reason!['since']);
            assert.ok(Math.abs(waits_ms - 3_600_000) < 60_000, `${waits_ms} ms`);
        });

        it('says why an event started nothing', async () => {
            await house.sim.label(repo.full_name, pull.number, 'urgent');
            const data = await eventually(async () => {
                const seen = await ofPull();
                assert.ok(codes(seen).includes('event_without_work'));
                return seen;
            });
            assert.deepEqual(codes(data), ['waits_for_upload', 'event_without_work']);
            assert.match(data['reasons'][1]['text'], /^labeled of .* started nothing: no upload for this head yet/);
        });

        it('follows a node that waits to the lock that it really waits for', async () => {
            const key = `${repo.full_name}/dev/network`;
            await house.ok('POST', '/api/v1/locks', { key, ttl: 3600, message: 'moving the state' });
            const runner = {
                event_name: 'pull_request',
                ref: `refs/pull/${pull.number}/merge`,
                head_ref: 'feature',
                base_ref: 'main',
                sha: pull.head_sha,
                workflow: 'affected.yaml',
            };
            const token = await house.session(repo, runner);
            const body = upload(repo, chain('missing.yaml'), { head_sha: pull.head_sha });
            await house.ok('POST', '/api/v1/affected-stacks', body, { token });
            const batch = await eventually(async () => {
                const seen = await ofPull();
                assert.ok(codes(seen).includes('locked'));
                assert.ok(codes(seen).includes('dispatch_error'));
                return seen['batch'] as Value;
            });
            const at = `batches/${String(batch['id'])}`;
            const whole = await why(`${at}/explain`);
            assert.deepEqual(codes(whole), ['progress', 'locked', 'dispatch_error', 'not_dispatched']);
            // with the day when it ends on another one than today
            assert.match(whole['reasons'][1]['text'], /^network in dev is locked by \S+ until (\d{4}-\d\d-\d\d )?\d\d:\d\d UTC: “moving the state”; 2 wait behind it$/);

            const app = await why(`${at}/explain?component=app&stack=dev`);
            assert.equal(app['kind'], 'node');
            assert.equal(app['node']['state'], 'waiting');
            assert.deepEqual(codes(app), ['waits_for_parent', 'locked']);
            assert.match(app['reasons'][0]['text'], /^app in dev waits for network in dev, locked by .*; 1 other stands between: cluster in dev/);
            assert.ok(Date.parse(app['reasons'][0]['until']) > Date.parse(app['reasons'][1]['until']));
            assert.match(app['reasons'][1]['change'], /signalbox unlock --repo acme\/why --component network --stack dev/);
            const position = app['node']['position'] as number;
            const same = await why(`${at}/nodes/${position}/explain`);
            assert.deepEqual(same['reasons'][0]['numbers'], app['reasons'][0]['numbers']);

            const lost = await why(`${at}/explain?component=lost&stack=dev`);
            assert.deepEqual(codes(lost), ['dispatch_error']);
            assert.equal(lost['reasons'][0]['numbers']['errorCode'], 'workflow_not_found');
            const old = await why(`${at}/explain?component=old&stack=dev`);
            assert.deepEqual(codes(old), ['deleted']);

            await house.ok('DELETE', '/api/v1/locks', { key });
            const ended = await eventually(async () => {
                const seen = await why(`${at}/explain`);
                assert.equal(seen['batch']['state'], 'ended');
                return seen;
            });
            assert.deepEqual(codes(ended), ['batch_ended', 'dispatch_error', 'not_dispatched']);
            const done = await why(`${at}/nodes/${position}/explain`);
            assert.deepEqual(codes(done), ['succeeded']);
            assert.match(done['reasons'][0]['url'], /^http/);
        });

        it('knows after the first upload which workflow has to send the next', async () => {
            const { head_sha } = await house.sim.pushToPull(repo.full_name, pull.number, { 'b.tf': '#' });
            const data = await eventually(async () => {
                const seen = await ofPull();
                assert.equal(seen['change']['headSha'], head_sha);
                return seen;
            });
            assert.match(data['reasons'][0]['text'], /: affected\.yaml must send it \(it sent one last at /);
            assert.deepEqual(codes(data).slice(0, 2), ['waits_for_upload', 'older_head']);
        });

        it('shows a batch only to who may read it, and says what is wrong with a question', async () => {
            const { data } = await house.ok('GET', '/api/v1/batches');
            const at = `/api/v1/batches/${String(data['items'][0].id)}`;
            const other = await house.repo('other');
            const foreign = (await house.token({ repositoryId: other.lane })).token;
            const cases: [string, number, string?][] = [
                [`${at}/explain`, 404, foreign],
                [`${at}/nodes/0/explain`, 404, foreign],
                [`/api/v1/repositories/${repo.lane}/pulls/${pull.number}/explain`, 404, foreign],
                [`${at}/nodes/99/explain`, 404],
                [`${at}/nodes/-1/explain`, 404],
                [`${at}/nodes/x/explain`, 404],
                ['/api/v1/batches/batch_none/explain', 404],
                [`${at}/explain?component=app`, 400],
                [`${at}/explain?stack=dev`, 400],
                [`${at}/explain?stack=dev&component=none`, 404],
                [`${at}/explain?stack=%00&component=app`, 400],
                [`/api/v1/repositories/${repo.lane}/pulls/999/explain`, 404],
                [`/api/v1/repositories/${repo.lane}/pulls/x/explain`, 404],
                [`/api/v1/repositories/999999/pulls/1/explain`, 404],
            ];
            for (const [path, status, token = house.admin] of cases) {
                const reply = await house.call('GET', path, { token });
                assert.equal(reply.status, status, `${path}: ${reply.text}`);
            }
            assert.equal((await house.call('GET', `${at}/explain`, { token: await house.session(repo) })).status, 200);
        });
    });
