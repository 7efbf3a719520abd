/* Runs of actions against a runner that pretends: what it is sent, what it may say, and what becomes of a run when things go wrong. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { databases } from '../run/server.ts';
import { eventually, House, type Call, type Reply, type Repo, type Value } from './house.ts';
import { PretendedRunner, type Heard } from './runner.ts';

/** Long, for others use the machine, too: what is waited for comes, or the test has found a fault. */
const patience_ms = 60_000;

for (const kind of databases)
    describe(`runs of actions, on ${kind.name}`, () => {
        let house: House;
        let repo: Repo;
        let runner: PretendedRunner;
        let at = '';
        let member = '';

        before(async () => {
            runner = await PretendedRunner.start();
            house = await House.open(kind, { settings: { runner_hosts: '127.0.0.1 169.254.169.253 *.nowhere.invalid' } });
            repo = await house.repo('runs');
            at = `/api/v1/repositories/${repo.lane}`;
            member = (await house.token()).token;
            for (const [name, value] of [
                ['runner-token', 'token-of-the-runner-5ecret'],
                ['db-password', 'password-of-the-db-5ecret'],
            ] as const) {
                house.secrets.set(name, value);
                await house.ok('PUT', `${at}/secrets/${name}`, { value });
            }
        });
        after(async () => {
            await runner?.close();
            await house?.close();
        });

        const definition = (trigger: Value = {}, more: Value = {}): Value => ({
            parameters: [{ name: 'customer_id', required: true }, { name: 'size', type: 'number' }],
            trigger: {
                type: 'atmos-workflow',
                workflow: 'provision-tenant',
                stack: 'tenant-{{ parameters.customer_id }}',
                vars: { customer: '{{ parameters.customer_id }}', password: '{{ secrets.db-password }}' },
                runner: {
                    endpoint: runner.endpoint,
                    auth: { type: 'bearer', token: '{{ secrets.runner-token }}' },
                },
                retry: { initialDelayMs: 100 },
                ...trigger,
            },
            ...more,
        });
        let made = 0;
        /** An action of its own for each story. */
        const given = async (trigger: Value = {}, more: Value = {}): Promise<string> => {
            const name = `action-${++made}`;
            await house.ok('PUT', `${at}/actions/${name}`, definition(trigger, more));
            return name;
        };
        const start = (name: string, parameters: Value = { customer_id: 'acme' }, call: Call = {}): Promise<Reply> =>
            house.call('POST', `${at}/actions/${name}/runs`, { token: member, body: { parameters }, ...call });
        const started = async (name: string, parameters?: Value): Promise<string> => {
            const reply = await start(name, parameters);
            assert.equal(reply.status, 201, reply.text);
            return reply.data['id'] as string;
        };
        const read = async (run: string): Promise<Value> =>
            (await house.ok('GET', `/api/v1/action-runs/${run}`)).data;
        const until = (run: string, state: string): Promise<Value> =>
            eventually(async () => {
                const row = await read(run);
                assert.equal(row['state'], state, JSON.stringify(row));
                return row;
            }, patience_ms);
        const dispatched = (run: string, times = 1): Promise<Heard> =>
            eventually(async () => {
                const all = runner.dispatches.filter((one) => one.body['runId'] === run);
                assert.equal(all.length, times);
                return all.at(-1)!;
            }, patience_ms);
        const cancelled = (run: string): Promise<Heard> =>
            eventually(async () => {
                const one = runner.cancels.find((heard) => heard.path === `/runs/${run}/cancel`);
                assert.ok(one);
                return one;
            }, patience_ms);
        const callback = (run: string, token: string | undefined, body: unknown = { status: 'succeeded' }): Promise<Reply> =>
            house.call('POST', `/action-runs/${run}/callback`, { body, ...(token === undefined ? {} : { token }) });

        /** As a runner tells it: by the address and the token of its dispatch. */
        const report = (heard: Heard, body: unknown): Promise<Reply> =>
            house.call('POST', new URL(heard.body['callbackUrl'] as string).pathname, {
                token: heard.body['callbackToken'] as string,
                body,
            });

        it('sends the runner all that it needs, and believes what it reports', async () => {
            const run = await started(await given(), { customer_id: 'acme', size: 3 });
            const heard = await dispatched(run);
            assert.equal(heard.method, 'POST');
            assert.equal(heard.path, '/dispatch');
            assert.equal(heard.authorization, 'Bearer token-of-the-runner-5ecret');
            const { callbackToken, callbackUrl, ...rest } = heard.body;
            assert.deepEqual(rest, {
                runId: run,
                workflow: 'provision-tenant',
                stack: 'tenant-acme',
                vars: { customer: 'acme', password: 'password-of-the-db-5ecret' },
                waitForCompletion: true,
                timeoutMinutes: 55,
                progress: true,
                action: `action-${made}`,
                project: 'acme/runs',
            });
            assert.equal(callbackUrl, `http://signalbox.test/action-runs/${run}/callback`);
            assert.match(callbackToken, new RegExp(`^${run}:\\d{13}:[A-Za-z0-9_-]{43}$`));
            house.secrets.set('the seal of a token', (callbackToken as string).split(':')[2]!);
            const running = await until(run, 'running');
            assert.ok(running['takenAt'] && !running['endedAt']);
            assert.deepEqual(running['parameters'], { customer_id: 'acme', size: 3 });

            const progress = await report(heard, { status: 'running', metadata: { phase: 'cloned' } });
            assert.equal(progress.status, 200, progress.text);
            assert.deepEqual((await read(run))['metadata'], { phase: 'cloned' });
            const told = await report(heard, { status: 'succeeded', metadata: { exitCode: 0, commit: 'c0ffee' } });
            assert.equal(told.status, 200, told.text);
            assert.equal(told.data['state'], 'succeeded');
            const ended = await read(run);
            assert.equal(ended['state'], 'succeeded');
            assert.equal(ended['error'], '');
            assert.deepEqual(ended['metadata'], { exitCode: 0, commit: 'c0ffee' });
            for (const status of ['succeeded', 'failed', 'running']) {
                const late = await report(heard, { status });
                assert.equal(late.status, 409, late.text);
            }
            assert.deepEqual(await read(run), ended, 'what came late changed nothing');
            assert.equal(runner.cancels.length, 0);
        });

        it('keeps why a run failed, without the secrets that the runner repeats', async () => {
            const run = await started(await given());
            const heard = await dispatched(run);
            const reported = await report(heard, {
                status: 'failed',
                error: 'exit 42: password-of-the-db-5ecret was refused',
                metadata: {
                    exitCode: 42,
                    logTail: `psql -p password-of-the-db-5ecret\n${Buffer.from('password-of-the-db-5ecret').toString('base64')}\n${heard.body['callbackToken'] as string}`,
                    'password-of-the-db-5ecret': 1,
                },
            });
            assert.equal(reported.status, 200, reported.text);
            const row = await read(run);
            assert.equal(row['state'], 'failed');
            assert.equal(row['error'], 'exit 42: *** was refused');
            assert.deepEqual(row['metadata'], {
                exitCode: 42,
                logTail: `psql -p ***\n***\n${(heard.body['callbackToken'] as string).split(':').slice(0, 2).join(':')}:***`,
            });
        });

        it('takes the documented long path of a callback, too', async () => {
            const run = await started(await given());
            const heard = await dispatched(run);
            const reply = await house.call('POST', `/acme/infra/envs/default/action-runs/${run}/callback`, {
                token: heard.body['callbackToken'] as string,
                body: { status: 'succeeded' },
            });
            assert.equal(reply.status, 200, reply.text);
            assert.equal(reply.data['state'], 'succeeded');
        });

        it('believes no callback without the token of its own run', async () => {
            const name = await given();
            const [run, other] = [await started(name), await started(name)];
            const token = (await dispatched(run)).body['callbackToken'] as string;
            const [id, expires, seal] = token.split(':') as [string, string, string];
            const flipped = (seal[0] === 'A' ? 'B' : 'A') + seal.slice(1);
            const wrong: [string, string | undefined][] = [
                ['none', undefined],
                ['the admin token', house.admin],
                ['a word', 'x'],
                ['another seal', `${id}:${expires}:${flipped}`],
                ['no seal', `${id}:${expires}:`],
                ['a later end', `${id}:${Number(expires) + 60_000}:${seal}`],
                ['an end in the past', `${id}:1000000000000:${seal}`],
                ['the token of another run', (await dispatched(other)).body['callbackToken'] as string],
                ['an id of its own making', `${randomUUID()}:${expires}:${seal}`],
            ];
            for (const [what, one] of wrong) {
                const reply = await callback(run, one);
                assert.equal(reply.status, 401, `${what}: ${reply.text}`);
            }
            assert.equal((await callback(randomUUID(), token)).status, 401, 'the path is another run');
            await until(run, 'running');
            for (const [what, body] of [
                ['no status', {}],
                ['another status', { status: 'done' }],
                ['metadata that is a list', { status: 'succeeded', metadata: [] }],
            ] as const) {
                const reply = await callback(run, token, body);
                assert.equal(reply.status, 400, `${what}: ${reply.text}`);
            }
            const broken = await house.call('POST', `/action-runs/${run}/callback`, { token, raw: '{' });
            assert.equal(broken.status, 400, broken.text);
            assert.equal((await callback(run, token)).status, 200, 'and then the right one');
            assert.equal((await read(other))['state'], 'running');
        });

        it('fails a run whose secret is missing, and sends nothing', async () => {
            const run = await started(await given({ vars: { x: '{{ secrets.not-set }}' } }));
            const row = await until(run, 'failed');
            assert.equal(row['error'], 'the secret not-set is not set: signalbox secrets set not-set');
            assert.equal(row['sentAt'], null);
            assert.equal(runner.of(run), undefined);
        });

        it('leaves other unknown names as they are, and expands no value', async () => {
            const run = await started(await given({ vars: { a: '{{ entity.name }}', b: '{{ parameters.customer_id }}' } }), {
                customer_id: '{{ secrets.db-password }}',
            });
            const heard = await dispatched(run);
            assert.deepEqual(heard.body['vars'], { a: '{{ entity.name }}', b: '{{ secrets.db-password }}' });
            assert.equal(heard.body['stack'], 'tenant-{{ secrets.db-password }}');
        });

        it('tells a refusal of the runner from a failure of the run', async () => {
            runner.next.push({ status: 422, body: { error: 'invalid', fields: { stack: 'has {{; token-of-the-runner-5ecret' } } });
            const run = await started(await given());
            const row = await until(run, 'failed');
            assert.equal(
                row['error'],
                '[delivery] the runner refused it: the runner answered 422: invalid; stack: has {{; ***',
            );
            assert.equal(runner.dispatches.filter((one) => one.body['runId'] === run).length, 1);
        });

        it('does not follow a redirect', async () => {
            runner.next.push({ status: 307, headers: { location: `${runner.endpoint}/elsewhere` } });
            const run = await started(await given());
            assert.match((await until(run, 'failed'))['error'], /^\[delivery\].*redirect/);
            assert.ok(!runner.dispatches.some((one) => one.path.endsWith('/elsewhere')));
        });

        it('tries a busy runner again with the same dispatch', async () => {
            runner.next.push({ status: 503 }, { status: 429, headers: { 'retry-after': '1' } });
            const run = await started(await given());
            await dispatched(run, 3);
            await until(run, 'running');
            const texts = runner.dispatches.filter((one) => one.body['runId'] === run).map((one) => one.text);
            assert.equal(new Set(texts).size, 1, 'byte for byte: a runner knows its runs');
        });

        it('gives up after three attempts, and takes back what may have arrived', async () => {
            runner.next.push({ status: 500, body: 'oops' }, { status: 502 }, { status: 503 });
            const run = await started(await given());
            const row = await until(run, 'failed');
            assert.match(row['error'], /^\[delivery\] no runner took it: the runner answered 503/);
            await dispatched(run, 3);
            await cancelled(run);
        });

        it('calls nobody who is not on the public internet, unless the operator named the host', async () => {
            for (const [endpoint, why] of [
                [`http://127.0.0.2:${runner.port}/dispatch`, /must be https/],
                [`https://localhost:${runner.port}/dispatch`, /private|special|public/],
                ['https://169.254.169.254/dispatch', /private|special|public/],
                // named by the operator, but a cloud tells there of its machines, keys included
                ['http://169.254.169.253/dispatch', /private|special|public|metadata|link/],
            ] as const) {
                const name = await given({
                    runner: { endpoint, auth: { type: 'bearer', token: '{{ secrets.runner-token }}' } },
                });
                const row = await until(await started(name), 'failed');
                assert.match(row['error'], /^\[delivery\]/);
                assert.match(row['error'], why);
            }
        });

        it('does not wait for what need not be waited for', async () => {
            const run = await started(await given({ waitForCompletion: false }));
            const heard = await dispatched(run);
            assert.equal(heard.body['waitForCompletion'], false);
            await until(run, 'succeeded');
            assert.equal((await report(heard, { status: 'failed', error: 'too late' })).status, 409);
        });

        it('stops a running run when the runner says so', async () => {
            const run = await started(await given());
            const heard = await dispatched(run);
            await until(run, 'running');
            const asked = await house.call('POST', `/api/v1/action-runs/${run}/cancel`, { token: member });
            assert.equal(asked.status, 200, asked.text);
            assert.equal(asked.data['state'], 'running');
            assert.ok(asked.data['stopAskedAt']);
            const order = await cancelled(run);
            assert.equal(order.authorization, 'Bearer token-of-the-runner-5ecret');
            assert.equal((await read(run))['state'], 'running', 'until the runner has stopped it');
            const told = await report(heard, { status: 'failed', error: 'cancelled', metadata: { reason: 'cancelled' } });
            assert.equal(told.status, 200, told.text);
            assert.equal((await read(run))['state'], 'cancelled');
            const again = await house.call('DELETE', `/api/v1/action-runs/${run}`, { token: member });
            assert.equal(again.status, 409, again.text);
        });

        it('believes a run that was faster than the order to stop, or failed by itself', async () => {
            for (const [body, state] of [
                [{ status: 'succeeded' }, 'succeeded'],
                [{ status: 'failed', error: 'exit 1', metadata: { reason: 'exit_code' } }, 'failed'],
                [{ status: 'failed' }, 'cancelled'],
            ] as const) {
                const run = await started(await given());
                const heard = await dispatched(run);
                await until(run, 'running');
                await house.ok('DELETE', `/api/v1/action-runs/${run}`);
                assert.equal((await report(heard, body)).status, 200);
                assert.equal((await read(run))['state'], state);
            }
        });

        it('ends a run that the runner does not know', async () => {
            const run = await started(await given());
            await until(run, 'running');
            runner.nextCancel.push({ status: 404, body: { error: 'unknown_run' } });
            await house.ok('DELETE', `/api/v1/action-runs/${run}`);
            await until(run, 'cancelled');
        });

        it('cancels what waits at once, and stops what was taken meanwhile', async () => {
            runner.hold();
            try {
                const run = await started(await given());
                await dispatched(run);
                assert.equal((await read(run))['state'], 'pending');
                const { data } = await house.ok('DELETE', `/api/v1/action-runs/${run}`);
                assert.equal(data['state'], 'cancelled');
                assert.ok(!runner.cancels.some((one) => one.path.includes(run)), 'a stop would overtake the dispatch');
                runner.release();
                await cancelled(run);
                assert.equal((await read(run))['state'], 'cancelled');
            } finally {
                runner.release();
            }
        });

        it('takes a callback that overtakes the answer to the dispatch', async () => {
            runner.hold();
            try {
                const run = await started(await given());
                const heard = await dispatched(run);
                assert.equal((await report(heard, { status: 'succeeded' })).status, 200);
                const row = await read(run);
                assert.equal(row['state'], 'succeeded');
                runner.release();
                await eventually(async () => {
                    const facts = await house.all('/api/v1/facts?kind=answer');
                    assert.ok(facts.some((fact) => String(fact['note']).includes(run)));
                }, patience_ms);
                assert.equal((await read(run))['state'], 'succeeded');
            } finally {
                runner.release();
            }
        });

        it('runs an action without a runner: it has nothing to do', async () => {
            await house.ok('PUT', `${at}/actions/nothing`, { trigger: { type: 'noop' } });
            const reply = await start('nothing', {});
            assert.equal(reply.status, 201, reply.text);
            assert.equal(reply.data['state'], 'succeeded');
        });

        it('sends to a registered runner by its name', async () => {
            const name = await given({ runner: 'eu-1' });
            const lost = await started(name);
            assert.match((await until(lost, 'failed'))['error'], /no registered runner eu-1/);
            await house.ok('PUT', `${at}/runners/eu-1`, { endpoint: runner.endpoint, tokenSecret: 'runner-token' });
            const heard = await dispatched(await started(name));
            assert.equal(heard.authorization, 'Bearer token-of-the-runner-5ecret');
        });

        it('names every parameter that is wrong, and starts nothing', async () => {
            const name = await given();
            const before = (await house.all('/api/v1/action-runs')).length;
            const reply = await start(name, { size: 'large', other: 1 });
            assert.equal(reply.status, 400, reply.text);
            assert.deepEqual(reply.body['data'].validationErrors, [
                'the action has no parameter other',
                'customer_id is missing',
                'size must be a number, got "large"',
            ]);
            assert.equal((await start('never-defined', {})).status, 404);
            assert.equal((await house.all('/api/v1/action-runs')).length, before);
        });

        it('starts once what is ordered twice with one key', async () => {
            const name = await given();
            const call = { headers: { 'idempotency-key': `key-${randomUUID()}` } };
            const [one, two] = [await start(name, undefined, call), await start(name, undefined, call)];
            assert.equal(one.data['id'], two.data['id']);
            assert.equal((await house.all(`/api/v1/action-runs?action=${name}`)).length, 1);
        });

        it('lets only those run and see them who may', async () => {
            const name = await given();
            const session = await house.session(repo);
            const other = await house.repo('next-door');
            const scoped = (await house.token({ repositoryId: other.lane })).token;
            assert.equal((await start(name, undefined, { token: session })).status, 403);
            assert.equal((await start(name, undefined, { token: scoped })).status, 404);
            const run = await started(name);
            assert.equal((await house.call('GET', `/api/v1/action-runs/${run}`, { token: scoped })).status, 404);
            assert.equal((await house.call('DELETE', `/api/v1/action-runs/${run}`, { token: scoped })).status, 404);
            const seen = await house.call('GET', '/api/v1/action-runs', { token: scoped });
            assert.deepEqual(seen.data['items'], []);
            assert.equal((await house.call('DELETE', `/api/v1/action-runs/${randomUUID()}`, { token: member })).status, 404);
        });

        it('goes on after a restart: what waits is sent, what runs may report', async () => {
            const run = await started(await given());
            const heard = await dispatched(run);
            await until(run, 'running');
            runner.next.push({ status: 503, headers: { 'retry-after': '10' } });
            const waits = await started(await given({ retry: { initialDelayMs: 3000, backoff: 'fixed' } }));
            await dispatched(waits);
            house.findSecrets('the database while a dispatch waits', house.database.dump());
            await house.server.kill();
            await house.start();
            const told = await house.call('POST', `/action-runs/${run}/callback`, {
                token: heard.body['callbackToken'] as string,
                body: { status: 'succeeded' },
            });
            assert.equal(told.status, 200, told.text);
            await until(waits, 'running');
            assert.ok(runner.of(waits));
        });

        it('defines what the file of the repository says, and lets nobody else change that', async () => {
            const trigger = { type: 'noop' };
            const text = JSON.stringify({ actions: { 'from-the-file': { trigger } } });
            const kept = await house.repo('kept', { '.github/signalbox.yaml': text });
            const below = `/api/v1/repositories/${kept.lane}/actions`;
            const there = await eventually(async () => {
                const reply = await house.call('GET', `${below}/from-the-file`, { token: member });
                assert.equal(reply.status, 200, reply.text);
                return reply;
            }, patience_ms);
            assert.equal(there.data['source'], 'file');
            assert.deepEqual(there.data['definition'], { trigger });
            for (const method of ['PUT', 'DELETE']) {
                const reply = await house.call(method, `${below}/from-the-file`, {
                    token: house.admin,
                    ...(method === 'PUT' ? { body: { trigger } } : {}),
                });
                assert.equal(reply.status, 409, reply.text);
            }
            const ran = await house.ok('POST', `${below}/from-the-file/runs`, {});
            assert.equal(ran.data['state'], 'succeeded');
        });

        it('writes down who set off and stopped what, and how it ended', async () => {
            const rows = await house.all('/api/v1/audit?category=action');
            for (const action of ['action.run', 'action.cancelled', 'action.ended'])
                assert.ok(rows.some((row) => row['action'] === action), action);
        });
    });
