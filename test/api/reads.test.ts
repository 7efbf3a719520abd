/* What the pages read: a batch as a graph, one node whole, runs found by what people look for, home, and the rest that stands behind links. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parse } from 'yaml';
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
const hostile = '<script>alert(1)</script> 100%_\u202e\u{1f980}';
/** app waits for cluster, cluster for network; one stands alone, and one is gone. */
const chain = [
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
    affected(hostile, 'dev', { settings: settings('alone') }),
    affected('old', 'dev', { deleted: true, deletion_type: 'component' }),
];
const encoded = encodeURIComponent;

for (const kind of databases)
    describe(`what the pages read, on ${kind.name}`, () => {
        let house: House;
        let repo: Repo;
        let other: Repo;
        let pull: PullView;
        let batch = '';
        let stranger = '';
        const read = async (path: string) => (await house.ok('GET', `/api/v1/${path}`)).data;
        const names = (data: Value) => (data['items'] as Value[]).map((one) => one['component'] as string);
        const graph = () => read(`batches/${batch}/graph`);
        const node = (of: Value, component: string): Value =>
            (of['nodes'] as Value[]).find((one) => one['component'] === component)!;

        before(async () => {
            house = await House.open(kind);
            repo = await house.repo('pages', { '.github/workflows/plan.yaml': workflow });
            other = await house.repo('elsewhere');
            stranger = (await house.token({ repositoryId: other.lane })).token;
            pull = await house.sim.openPull(repo.full_name, {
                head: 'feature',
                title: 'A title with "quotes"',
                files: { 'a.tf': '#' },
            });
            await house.ok('POST', '/api/v1/locks', {
                key: `${repo.full_name}/dev/network`,
                ttl: 1800,
                message: 'moving the state',
            });
            const token = await house.session(repo, {
                event_name: 'pull_request',
                ref: `refs/pull/${pull.number}/merge`,
                head_ref: 'feature',
                base_ref: 'main',
                sha: pull.head_sha,
                workflow: 'affected.yaml',
            });
            await eventually(() => read(`repositories/${repo.lane}/pulls/${pull.number}/explain`));
            await house.ok('POST', '/api/v1/affected-stacks', upload(repo, chain, { head_sha: pull.head_sha }), { token });
            batch = await eventually(async () => {
                const [one] = await house.all('/api/v1/batches');
                assert.ok(one);
                const { counts } = await read(`batches/${String(one['id'])}`);
                assert.deepEqual(counts, { locked: 1, waiting: 2, success: 1, not_dispatched: 1 });
                return one['id'] as string;
            });
        });
        after(() => house?.close());

        it('lists a batch with its change, its counts and what holds it', async () => {
            const [listed] = await house.all('/api/v1/batches');
            const one = await read(`batches/${batch}`);
            assert.equal(listed!['change']['title'], 'A title with "quotes"');
            assert.equal(listed!['change']['number'], pull.number);
            assert.deepEqual(listed!['counts'], one['counts']);
            assert.equal(listed!['heldText'], null);
            assert.equal(listed!['expectedEndAt'], null, 'nothing of it moves');
        });

        it('draws a batch: nodes by level, edges, the longest path, and why one waits', async () => {
            const drawn = await graph();
            const at = (component: string) => node(drawn, component)['position'] as number;
            assert.equal((drawn['nodes'] as Value[]).length, 5);
            assert.equal(drawn['levels'], 3);
            assert.deepEqual(drawn['critical'], [at('network'), at('cluster'), at('app')]);
            const edges = (drawn['edges'] as number[][]).map(String);
            assert.deepEqual(edges.sort(), [
                [at('network'), at('cluster')], [at('cluster'), at('app')],
            ].map(String).sort());
            assert.match(node(drawn, 'network')['reason'], /^locked by .+: moving the state$/);
            assert.equal(node(drawn, 'old')['reason'], 'deleted from the configuration');
            assert.equal(node(drawn, 'app')['command'], 'plan');
            assert.equal('startedMs' in node(drawn, 'app'), false);
            const alone = node(drawn, hostile);
            assert.ok(alone['endedMs'] >= alone['startedMs']);
            assert.equal(alone['durationMs'], alone['endedMs'] - alone['startedMs']);
        });

        it('tells of one node all there is: its lock, its neighbours, its runs', async () => {
            const drawn = await graph();
            const network = node(drawn, 'network')['position'] as number;
            const whole = await read(`batches/${batch}/nodes/${network}`);
            assert.equal(whole['lock']['lockMessage'], 'moving the state');
            assert.deepEqual(whole['waitsFor'], []);
            assert.deepEqual(whole['children'], [node(drawn, 'cluster')['position']]);
            assert.deepEqual(whole['runs'], []);
            assert.equal(whole['inTheWay'], null);
            const [listed] = (await house.all(`/api/v1/batches/${batch}/nodes`)).filter((one) => one['component'] === 'network');
            for (const [field, value] of Object.entries(listed!)) assert.deepEqual(whole[field], value, field);
            const beyond = await house.call('GET', `/api/v1/batches/${batch}/nodes/5`, { token: house.admin });
            assert.equal(beyond.status, 404);
        });

        it('shows what the CLI reported of a run, escapes and all', async () => {
            const alone = node(await graph(), hostile);
            const text = '\u001b[32m+ create\u001b[0m <script>\n'.repeat(3);
            const long = 'x'.repeat(99) + '\n';
            const components = (logs: string) => [
                {
                    component: hostile,
                    stack: 'dev',
                    resource_counts: { create: 1, change: 2, replace: 0, destroy: 3 },
                    logs: Buffer.from(logs).toString('base64'),
                    warnings: ['careful'],
                    errors: [],
                    changes: [{ action: 'created', address: 'null_resource.a' }],
                    exit_code: 2,
                },
            ];
            const token = await house.session(repo);
            const tell = (execution: string, logs: string) =>
                house.ok(
                    'POST',
                    '/api/v1/atmos/exec',
                    {
                        command: 'terraform plan',
                        exit_code: 2,
                        execution_id: execution,
                        atmos_pro_run_id: alone['runId'],
                        data: { version: 1, components: components(logs) },
                    },
                    { token },
                );
            await tell('first', text);
            const whole = await eventually(async () => {
                const seen = await read(`batches/${batch}/nodes/${String(alone['position'])}`);
                assert.ok(seen['runs'][0]['counts']);
                return seen;
            });
            const [run] = whole['runs'] as Value[];
            assert.deepEqual(run!['counts'], { create: 1, change: 2, replace: 0, destroy: 3 });
            assert.equal(run!['output']['text'], text);
            assert.equal(run!['output']['cut'], false);
            assert.deepEqual(run!['output']['warnings'], ['careful']);
            assert.deepEqual(run!['output']['changes'], [{ action: 'created', address: 'null_resource.a' }]);
            assert.equal(run!['actor'], (await read(`batches/${batch}`))['actor']);
            assert.ok(run!['durationMs'] >= 0);

            await tell('second', long.repeat(4000));
            const more = await read(`batches/${batch}/nodes/${String(alone['position'])}`);
            const output = more['runs'][0]['output'] as Value;
            assert.equal(output['executions'].length, 2);
            assert.equal(output['cut'], true);
            assert.equal(output['bytes'], text.length + 4000 * long.length);
            assert.ok(output['text'].length <= 256 * 1024 && output['text'].startsWith(long));
            const raw = await house.ok('GET', `/api/v1/runs/${String(alone['runId'])}/output`);
            assert.equal(raw.text, text + long.repeat(4000));
            assert.equal(raw.headers['x-content-type-options'], 'nosniff');
        });

        it('lets a batch go, and says when it ends', async () => {
            await house.ok('DELETE', '/api/v1/locks', { key: `${repo.full_name}/dev/network` });
            await eventually(async () => {
                const one = await read(`batches/${batch}`);
                assert.equal(one['state'], 'ended');
                assert.equal(one['expectedEndAt'], null);
                assert.deepEqual(one['counts'], { success: 4, not_dispatched: 1 });
            });
        });

        const soon = '2100-01-01T00:00:00Z';
        const past = '2001-01-01T00:00:00Z';
        const all = ['app', 'cluster', 'network', hostile];
        const found: [string, string[]][] = [
            ['', all],
            ['component=network', ['network']],
            ['component=net*', ['network']],
            ['component=*t*r*', ['cluster', 'network', hostile].filter((name) => /t.*r/.test(name))],
            [`component=${encoded('*100%_*')}`, [hostile]],
            // capitals matter in a name and in a pattern of names, on both databases; not in what is searched for
            ['component=Network', []],
            ['component=NET*', []],
            ['component=*Work', []],
            ['stack=D*', []],
            ['component=%25', []],
            ['component=n_twork', []],
            ['stack=dev', all],
            ['stack=d*', all],
            ['stack=prod', []],
            ['command=plan', all],
            ['command=apply,plan', all],
            ['command=apply', []],
            ['state=success', all],
            ['state=failure,success', all],
            ['state=failure,error', []],
            ['q=NETWORK', ['network']],
            [`q=${encoded('"QUOTES"')}`, all],
            [`q=${encoded('<SCRIPT>')}`, [hostile]],
            ['q=DEV+net', ['network']],
            ['command=remediate', []],
            ['command=detect,remediate', []],
            ['state=failure', []],
            ['state=failure,cancelled,timed_out,error,skipped,superseded', []],
            ['state=timed_out,', []],
            ['state=running,queued', []],
            ['q=nowhere', []],
            [`since=${past}`, all],
            [`since=${soon}`, []],
            [`until=${soon}`, all],
            [`until=${past}`, []],
            ['repo=acme/pages', all],
            ['repo=acme/elsewhere', []],
            ['actor=nobody-at-all', []],
            ['stack=dev&component=app&state=success&command=plan&q=app', ['app']],
        ];
        for (const [query, want] of found)
            it(`finds runs by "${query}"`, async () => {
                const items = await house.all(`/api/v1/runs?${query}`);
                assert.deepEqual(items.map((one) => one['component'] as string).sort(), [...want].sort());
            });

        it('finds runs by who set them off, by batch and by change, page by page', async () => {
            const { actor } = await read(`batches/${batch}`);
            for (const query of [`actor=${encoded(actor)}`, `batch=${batch}`, `change=${pull.number}`]) {
                const seen: string[] = [];
                let cursor: string | null = '';
                for (; cursor !== null; ) {
                    const page: Value = await read(`runs?limit=1&${query}${cursor === '' ? '' : `&cursor=${encoded(cursor)}`}`);
                    seen.push(...names(page));
                    cursor = page['nextCursor'];
                }
                assert.deepEqual(seen.sort(), [...all].sort(), query);
            }
        });

        it('refuses times that are none', async () => {
            for (const path of ['runs', 'facts', 'audit', 'audit/export'])
                assert.equal((await house.call('GET', `/api/v1/${path}?since=yesterday`, { token: house.admin })).status, 400, path);
        });

        it('tells what stands behind the link of a change', async () => {
            const { change } = await read(`batches/${batch}`);
            const whole = await read(`changes/${String(change['id'])}`);
            assert.equal(whole['repository'], 'acme/pages');
            assert.equal(whole['draft'], false);
            assert.deepEqual((whole['batches'] as Value[]).map((one) => one['id']), [batch]);
            for (const [field, value] of Object.entries(change)) assert.deepEqual(whole[field], value, field);
        });

        it('knows one instance: its runs, its lock, and what it stands on', async () => {
            const at = `instances/${repo.lane}?stack=dev&component=cluster`;
            const cluster = await read(at);
            assert.equal(cluster['lock'], null);
            assert.equal(cluster['runs'].length, 1);
            assert.deepEqual(cluster['dependsOn'], [{ stack: 'dev', component: 'network' }]);
            assert.deepEqual(cluster['dependents'], [{ stack: 'dev', component: 'app' }]);
            await house.ok('POST', '/api/v1/locks', { key: cluster['lockKey'], ttl: 60, message: 'mine' });
            assert.equal((await read(at))['lock']['lockMessage'], 'mine');
            await house.ok('DELETE', '/api/v1/locks', { key: cluster['lockKey'] });
            const alone = await read(`instances/acme%2Fpages?stack=dev&component=${encoded(hostile)}`);
            assert.equal(alone['component'], hostile);
            assert.deepEqual(alone['counts'], { create: 1, change: 2, replace: 0, destroy: 3 });
            const tries: [string, number][] = [['stack=dev', 400], ['component=cluster', 400], ['stack=dev&component=nothing', 404]];
            for (const [query, status] of tries)
                assert.equal((await house.call('GET', `/api/v1/instances/${repo.lane}?${query}`, { token: house.admin })).status, status);
        });

        it('shows one delivery with what came, without what is secret', async () => {
            await house.ok('PUT', `/api/v1/repositories/${repo.lane}/secrets/deploy`, { value: 'hunter2-hunter2' });
            const payload = {
                action: 'labeled',
                number: 1,
                note: 'the key is hunter2-hunter2!',
                client_secret: 'a-client-secret',
                repository: { id: repo.id, full_name: repo.full_name, owner: { login: 'acme' }, name: 'pages' },
                sender: { login: 'somebody' },
            };
            const guid = `reads-${kind.name}`;
            assert.equal((await house.deliver('pull_request', payload, { guid })).status, 202);
            const listed = await eventually(async () => {
                const facts = await house.all(`/api/v1/facts?repo=${repo.lane}&kind=webhook.pull_request&since=${past}`);
                const one = facts.find((fact) => fact['key'] === `github:${guid}`);
                assert.ok(one);
                return one;
            });
            const whole = await read(`facts/${String(listed['id'])}`);
            assert.equal(whole['repository'], 'acme/pages');
            assert.deepEqual(whole['headers'], { 'X-GitHub-Event': 'pull_request', 'X-GitHub-Delivery': guid });
            assert.equal(whole['payload']['note'], 'the key is ***!');
            assert.equal(whole['payload']['client_secret'], '***');
            assert.equal(whole['payload']['sender']['login'], 'somebody');
            assert.equal(whole['bytes'], JSON.stringify(payload).length);
            assert.deepEqual(await house.all(`/api/v1/facts?since=${soon}`), []);
            assert.deepEqual(await house.all(`/api/v1/facts?until=${past}`), []);
        });

        it('names the batch that an upload led to', async () => {
            const [fact] = await house.all(`/api/v1/facts?repo=${repo.lane}&kind=upload.`);
            const whole = await read(`facts/${String(fact!['id'])}`);
            assert.deepEqual(whole['caused']['batches'].map((one: Value) => one['id']), [batch]);
        });

        it('finds entries of the audit, and gives them as a file', async () => {
            const key = `${repo.full_name}/dev/network`;
            const entries = await house.all(`/api/v1/audit?action=lock.created&target=${encoded(key)}`);
            assert.equal(entries.length, 1);
            const actor = encoded(entries[0]!['actor']['id']);
            assert.ok((await house.all(`/api/v1/audit?actor=${actor}&since=${past}&until=${soon}`)).length > 1);
            assert.deepEqual(await house.all(`/api/v1/audit?actor=${actor}&since=${soon}`), []);
            assert.deepEqual(await house.all('/api/v1/audit?actor=nobody'), []);
            await house.ok('POST', '/api/v1/locks', { key: '=1+1,"x"', ttl: 60, message: 'x' });
            const file = `/api/v1/audit/export?category=lock&target=${encoded('=1+1,"x"')}`;
            const csv = await house.ok('GET', file);
            assert.equal(csv.headers['content-type'], 'text/csv; charset=utf-8');
            assert.match(String(csv.headers['content-disposition']), /^attachment; filename="audit.csv"$/);
            const [head, line, rest] = csv.text.split('\r\n');
            assert.equal(head, 'at,category,action,actorType,actor,targetType,target,repositoryId,description,metadata,id');
            assert.match(line!, /,"'=1\+1,""x""",/);
            assert.equal(rest, '');
            const lines = (await house.ok('GET', '/api/v1/audit/export?format=ndjson')).text.trimEnd().split('\n');
            const listed = await house.all('/api/v1/audit');
            assert.deepEqual(lines.map((one) => JSON.parse(one).id), listed.slice(-lines.length).map((one) => one['id']));
            const wrong = await house.call('GET', '/api/v1/audit/export?format=xlsx', { token: house.admin });
            assert.equal(wrong.status, 400);
        });

        it('knows what can be set, as it is described', async () => {
            const { items } = await read('settings/repository');
            const description = parse(readFileSync(join(import.meta.dirname, '../../docs/openapi.yaml'), 'utf8'));
            const described = description.components.schemas.RepositorySettings.properties as Value;
            assert.deepEqual(items.map((one: Value) => one['name']), Object.keys(described));
            for (const row of items as Value[]) {
                const one = described[row['name']] as Value;
                const isText = row['type'] === 'choice' || row['type'] === 'name';
                assert.equal(isText ? 'string' : row['type'], one['type'], row['name']);
                assert.deepEqual(row['options'], one['enum'] ?? [], row['name']);
                assert.equal(row['min'], one['minimum'] ?? null, row['name']);
                assert.equal(row['max'], one['maximum'] ?? null, row['name']);
                assert.equal(row['doc'], one['description']);
                assert.ok(row['group']);
            }
        });

        it('has at home what needs somebody', async () => {
            await house.ok('POST', '/api/v1/locks', { key: 'soon/over/dev/vpc', ttl: 600, message: 'ends within the hour' });
            await house.ok('POST', '/api/v1/locks', { key: 'later/over/dev/vpc', ttl: 7200, message: 'does not' });
            const home = await read('home');
            const locks = (home['needs']['locks'] as Value[]).map((one) => one['key']);
            assert.ok(locks.includes('soon/over/dev/vpc') && !locks.includes('later/over/dev/vpc'), String(locks));
            assert.deepEqual(home['needs']['failed'], []);
            assert.deepEqual(home['needs']['held'], []);
            assert.deepEqual(home['running'], []);
            const texts = (home['last'] as Value[]).map((one) => one['batchId']);
            assert.ok(home['lastEventAt']);
            assert.ok(texts.length > 0 && texts.length <= 20);
        });

        it('shows nothing of it to who may not see the repository', async () => {
            const { change } = await read(`batches/${batch}`);
            const [fact] = await house.all(`/api/v1/facts?repo=${repo.lane}`);
            const [run] = await house.all('/api/v1/runs');
            for (const path of [
                `batches/${batch}`,
                `batches/${batch}/graph`,
                `batches/${batch}/nodes/0`,
                `changes/${String(change['id'])}`,
                `facts/${String(fact!['id'])}`,
                `runs/${String(run!['id'])}/output`,
                `instances/${repo.lane}?stack=dev&component=app`,
            ])
                assert.equal((await house.call('GET', `/api/v1/${path}`, { token: stranger })).status, 404, path);
            const home = await house.ok('GET', '/api/v1/home', undefined, { token: stranger });
            assert.ok((home.data['last'] as Value[]).every((one) => one['repository'] === 'acme/elsewhere'));
            for (const path of ['runs', 'batches'])
                assert.deepEqual((await house.ok('GET', `/api/v1/${path}`, undefined, { token: stranger })).data['items'], []);
        });

        it('knows how far a new house has come', async () => {
            const steps = async (of: House) => {
                const { data } = await of.ok('GET', '/api/v1/onboarding');
                return { data, done: (data['steps'] as Value[]).filter((one) => one['done']).map((one) => one['id']) };
            };
            const here = await steps(house);
            assert.deepEqual(here.done.filter((id) => id !== 'install'), ['app', 'import', 'workflows', 'upload']);
            assert.equal(here.data['setupUrl'], null);
            const files = here.data['workflowFiles'] as Value[];
            assert.deepEqual(files.map((one) => one['path'].split('/').at(-1)), [
                'atmos-terraform-plan.yaml', 'atmos-terraform-apply.yaml', 'atmos-affected.yaml',
            ]);
            for (const { text } of files) {
                assert.ok(text.includes(house.workspace) && text.includes('ATMOS_PRO_BASE_URL: http'), text);
                assert.ok(parse(text).jobs);
            }
            const bare = await House.open(kind, { isBare: true });
            try {
                const there = await steps(bare);
                assert.deepEqual(there.done, []);
                assert.equal(there.data['app'], null);
                assert.match(there.data['setupUrl'], /\/setup\?code=/);
                const { token } = await bare.token();
                const seen = await bare.ok('GET', '/api/v1/onboarding', undefined, { token });
                assert.equal(seen.data['setupUrl'], null, 'the code is for admins');
            } finally {
                await bare.close();
            }
        });
    });
