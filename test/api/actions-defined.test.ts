/* Secrets, registered runners and actions of a repository: what is kept, what is shown, and what never is. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { databases } from '../run/server.ts';
import { House, type Reply, type Repo, type Value } from './house.ts';

const action = (more: Value = {}, trigger: Value = {}): Value => ({
    parameters: [{ name: 'customer_id', required: true }],
    trigger: {
        type: 'atmos-workflow',
        workflow: 'provision-tenant',
        stack: 'tenant-{{ parameters.customer_id }}',
        runner: {
            endpoint: 'https://runner.example.com/dispatch',
            auth: { type: 'bearer', token: '{{ secrets.runner-token }}' },
        },
        ...trigger,
    },
    ...more,
});

for (const kind of databases)
    describe(`what a repository can set off, on ${kind.name}`, () => {
        let house: House;
        let repo: Repo;
        let at = '';
        before(async () => {
            house = await House.open(kind);
            repo = await house.repo('actions');
            at = `/api/v1/repositories/${repo.lane}`;
        });
        after(() => house?.close());

        const put = (path: string, body: unknown, token = house.admin): Promise<Reply> =>
            house.call('PUT', at + path, { token, body });
        const details = (reply: Reply): string =>
            [
                reply.body['errorMessage'],
                ...((reply.body['data']?.validationErrors ?? []) as string[]),
            ].join('; ');

        it('keeps a secret, and never shows it again', async () => {
            house.secrets.set('the first value', 'first-value-5ecret');
            house.secrets.set('the second value', 'second-value-5ecret');
            house.secrets.set('a line of the key', 'b3BlbnNzaC1rZXktdjEAAAAA5ecret');
            const made = await put('/secrets/runner-token', {
                value: 'first-value-5ecret',
                description: 'of the runner',
            });
            assert.equal(made.status, 201, made.text);
            assert.deepEqual(Object.keys(made.data).sort(), [
                'createdAt',
                'description',
                'name',
                'updatedAt',
                'updatedBy',
            ]);
            const again = await put('/secrets/runner-token', { value: 'second-value-5ecret' });
            assert.equal(again.status, 200, again.text);
            assert.equal(again.data['description'], 'of the runner', 'it stays when not given');
            const key =
                '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA5ecret\n-----END OPENSSH PRIVATE KEY-----\n';
            assert.equal((await put('/secrets/deploy-key', { value: key })).status, 201);
            const names = (await house.all(`${at}/secrets`)).map((one) => one['name']);
            assert.deepEqual(names, ['deploy-key', 'runner-token']);
            // What the server has on disk and in its log is looked at now, and once more at the end.
            house.findSecrets('the database', house.database.dump());
            house.findSecrets('the log', house.server.log);
        });

        it('refuses values and names that would be trouble later', async () => {
            const wrong: [string, unknown, RegExp][] = [
                ['x', { value: 'a {{ parameters.x }}' }, /must not have \{\{/],
                ['x', { value: '' }, /empty/],
                ['x', { value: 7 }, /must be a text/],
                ['x', {}, /missing/],
                ['x', { value: 'a', other: 1 }, /no field other/],
                ['x', { value: 'y'.repeat(65_537) }, /longer than 65536/],
                ['a.b', { value: 'a' }, /letters, digits/],
                ['a b', { value: 'a' }, /letters, digits/],
                ['__proto__', { value: 'a' }, /letters, digits/],
                ['-x', { value: 'a' }, /letters, digits/],
                ['x'.repeat(65), { value: 'a' }, /at most 64/],
            ];
            for (const [name, body, why] of wrong) {
                const reply = await put(`/secrets/${encodeURIComponent(name)}`, body);
                assert.equal(reply.status, 400, reply.text);
                assert.match(details(reply), why);
            }
            assert.equal((await house.all(`${at}/secrets`)).length, 2);
        });

        it('removes a secret once', async () => {
            await put('/secrets/short-lived', { value: 'x' });
            const away = () =>
                house.call('DELETE', `${at}/secrets/short-lived`, { token: house.admin });
            assert.equal((await away()).status, 200);
            assert.equal((await away()).status, 404);
        });

        it('registers runners, and tells whether their token is set', async () => {
            const body = {
                endpoint: 'https://runner.example.com/dispatch',
                tokenSecret: 'runner-token',
            };
            assert.equal((await put('/runners/eu-1', body)).status, 201);
            assert.equal(
                (await put('/runners/eu-2', { ...body, tokenSecret: 'not-yet' })).status,
                201,
            );
            assert.deepEqual(
                (await house.all(`${at}/runners`)).map((one) => [one['name'], one['tokenIsSet']]),
                [
                    ['eu-1', true],
                    ['eu-2', false],
                ],
            );
            const wrong: [Value, RegExp][] = [
                [{ ...body, endpoint: 'runner.example.com' }, /address like/],
                [{ ...body, endpoint: 'https://u@runner.example.com/dispatch' }, /name a user/],
                [{ ...body, endpoint: 'https://runner.example.com/{{ x }}' }, /written out/],
                [{ endpoint: body.endpoint }, /tokenSecret is missing/],
                [{ ...body, tokenSecret: 'a b' }, /letters, digits/],
            ];
            for (const [one, why] of wrong) {
                const reply = await put('/runners/eu-3', one);
                assert.equal(reply.status, 400, reply.text);
                assert.match(details(reply), why);
            }
            const gone = () => house.call('DELETE', `${at}/runners/eu-2`, { token: house.admin });
            assert.equal((await gone()).status, 200);
            assert.equal((await gone()).status, 404);
        });

        it('keeps actions as they were written', async () => {
            const made = await put('/actions/provision', action());
            assert.equal(made.status, 201, made.text);
            assert.deepEqual(made.data['definition'], action());
            assert.equal(made.data['source'], 'api');
            const changed = action({ timeout: 5 });
            assert.equal((await put('/actions/provision', changed)).status, 200);
            const { data } = await house.ok('GET', `${at}/actions/provision`);
            assert.deepEqual(data['definition'], changed);
            assert.deepEqual(
                (await house.all(`${at}/actions`)).map((one) => one['name']),
                ['provision'],
            );
        });

        it('names everything that is wrong with a definition', async () => {
            const reply = await put(
                '/actions/wrong',
                action(
                    { timeout: 0, conditions: [] },
                    { workflow: '', runner: { endpoint: 'https://{{ parameters.customer_id }}/' } },
                ),
            );
            assert.equal(reply.status, 400, reply.text);
            const told = (reply.body['data'].validationErrors as string[]).join('\n');
            for (const part of [
                /no field conditions/,
                /timeout must be/,
                /trigger.workflow is missing/,
                /must be written out/,
                /auth.token is missing/,
            ])
                assert.match(told, part);
            const plain = action({}, { runner: { endpoint: 'https://r/d', auth: { type: 'bearer', token: 'in-clear' } } });
            const refused = await put('/actions/wrong', plain);
            assert.match(details(refused), /must come from a secret/);
            assert.ok(!refused.text.includes('in-clear'));
            assert.equal((await house.call('GET', `${at}/actions/wrong`, { token: house.admin })).status, 404);
        });

        it('removes an action once', async () => {
            await put('/actions/short-lived', { trigger: { type: 'noop' } });
            const away = () =>
                house.call('DELETE', `${at}/actions/short-lived`, { token: house.admin });
            assert.equal((await away()).status, 200);
            assert.equal((await away()).status, 404);
        });

        it('lets only admins change them, and only of a repository that they may see', async () => {
            const { token } = await house.token();
            const session = await house.session(repo);
            const other = await house.repo('elsewhere');
            const scoped = (await house.token({ role: 'admin', repositoryId: other.lane })).token;
            assert.equal((await put('/secrets/x', { value: 'x' }, token)).status, 403);
            assert.equal((await put('/actions/x', { trigger: { type: 'noop' } }, token)).status, 403);
            assert.equal((await put('/secrets/x', { value: 'x' }, scoped)).status, 404);
            assert.equal((await put('/actions/x', { trigger: { type: 'noop' } }, scoped)).status, 404);
            assert.equal((await house.call('GET', `${at}/secrets`, { token: session })).status, 403);
            assert.equal((await house.call('GET', `${at}/secrets`, { token: scoped })).status, 404);
            assert.equal((await house.call('GET', `${at}/secrets`, { token })).status, 200);
            assert.equal((await house.call('GET', `${at}/actions`, { token: session })).status, 200);
        });

        it('tells the audit log who changed what, and no value', async () => {
            const rows = await house.all('/api/v1/audit');
            for (const [name, target] of [
                ['secret.set', 'runner-token'],
                ['secret.removed', 'short-lived'],
                ['runner.set', 'eu-1'],
                ['runner.removed', 'eu-2'],
                ['action.set', 'provision'],
                ['action.removed', 'short-lived'],
            ])
                assert.ok(
                    rows.some((row) => row['action'] === name && row['target'].id === target),
                    `${name} ${target}`,
                );
        });
    });
