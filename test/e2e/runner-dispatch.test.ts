/* The door of the runner: who may come in, what is taken, what is refused, and that nothing of it happens twice. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { RunnerHouse, until, withRunner, type Value } from './runner-house.ts';

describe('a dispatch', { concurrency: 2 }, () => {
    it('is accepted, run and reported', () =>
        withRunner({}, async (house) => {
            const runId = await house.dispatch({ vars: { mark: 'one' } });
            const run = await house.closed(runId);
            assert.equal(run['state'], 'succeeded', JSON.stringify(run));
            assert.deepEqual(run['callback'], { state: 'delivered', attempts: 1, answer: 'answered 200' });
            const { status, metadata } = house.outcome(runId);
            assert.equal(status, 'succeeded');
            assert.equal(metadata.runId, runId);
            assert.equal(metadata.workflow, 'ok');
            assert.equal(metadata.exitCode, 0);
            assert.match(metadata.commit, /^[0-9a-f]{40}$/);
            assert.match(metadata.logTail, /workflow ok with --stack=stack-/);
            assert.ok(Date.parse(metadata.finishedAt) >= Date.parse(metadata.startedAt));
            assert.deepEqual(house.lines('starts'), ['ok one']);
            const heard = house.platform.outcomes(runId)[0]!;
            assert.match(heard.token, new RegExp(`^Bearer ${runId}:\\d+:[0-9a-f]{64}$`));
        }));

    it('that fails tells the exit code and the end of what was said', () =>
        withRunner({}, async (house) => {
            const runId = await house.dispatch({ workflow: 'fail' });
            await house.closed(runId);
            const { status, error, metadata } = house.outcome(runId);
            assert.equal(status, 'failed');
            assert.match(error, /42/);
            assert.equal(metadata.exitCode, 42);
            assert.equal(metadata.reason, 'exit_code');
            assert.match(metadata.logTail, /it went wrong/);
        }));

    it('sent again, at once or later, runs once', () =>
        withRunner({}, async (house) => {
            const payload = house.payload({ vars: { mark: 'once' } });
            const all = await Promise.all(Array.from({ length: 12 }, () => house.call('POST', '/dispatch', payload)));
            const statuses = all.map((one) => one.status).sort();
            assert.deepEqual(statuses, [...Array<number>(11).fill(200), 202]);
            assert.ok(all.every((one) => one.body['accepted'] === true && (one.status === 202 || one.body['duplicate'] === true)));
            const runId = payload['runId'] as string;
            await house.closed(runId);
            const later = await house.call('POST', '/dispatch', payload);
            assert.equal(later.status, 200);
            assert.deepEqual(later.body, { accepted: true, duplicate: true, runId, state: 'succeeded' });
            const other = await house.call('POST', '/dispatch', { ...payload, stack: 'another' });
            assert.equal(other.status, 409);
            assert.equal(other.body['error'], 'conflict');
            house.outcome(runId);
            assert.deepEqual(house.lines('starts'), ['ok once']);
        }));

    it('is still known after a restart', () =>
        withRunner({}, async (house) => {
            const payload = house.payload();
            assert.equal((await house.call('POST', '/dispatch', payload)).status, 202);
            await house.closed(payload['runId'] as string);
            house.signal('SIGTERM');
            await house.ended();
            await house.start();
            assert.equal((await house.call('POST', '/dispatch', payload)).status, 200);
            assert.equal((await house.call('POST', '/dispatch', { ...payload, stack: 'other' })).status, 409);
            assert.equal(house.lines('starts').length, 1);
        }));

    it('can ask for progress', () =>
        withRunner({}, async (house) => {
            house.touch('hold');
            const runId = await house.dispatch({ progress: true, workflow: 'wait' });
            const told = (phase: string) => house.platform.of(runId).some((one) => one.body['metadata'].phase === phase);
            await until('cloning is told', () => told('cloning'));
            house.remove('hold');
            await until('running is told', () => told('running'));
            house.touch('go');
            await house.closed(runId);
            assert.deepEqual(
                house.platform.of(runId).map((one) => one.body['status']),
                ['running', 'running', 'succeeded'],
            );
        }));
});

describe('what is refused', { concurrency: 2 }, () => {
    const hostile: [string, Value, string][] = [
        ['a workflow for a shell', { workflow: '; rm -rf /' }, 'workflow'],
        ['a workflow that is an option', { workflow: '--help' }, 'workflow'],
        ['a workflow that leads up', { workflow: '../x' }, 'workflow'],
        ['a workflow that leads up inside', { workflow: 'a/../b' }, 'workflow'],
        ['help, which would succeed without running', { workflow: 'help' }, 'workflow'],
        ['no workflow', { workflow: '' }, 'workflow'],
        ['a stack with a newline', { stack: 'prod\n--stack=other' }, 'stack'],
        ['a stack that nobody filled in', { stack: 'tenant-{{ parameters.customer_id }}' }, 'stack'],
        ['a file outside', { workflowFile: '/etc/passwd' }, 'workflowFile'],
        ['a ref that nobody allowed', { ref: 'main' }, 'ref'],
        ['a variable with a strange name', { vars: { 'a b': '1' } }, 'vars.a b'],
        ['a variable that Atmos would evaluate', { vars: { a: '{{ env "HOME" }}' } }, 'vars.a'],
        ['a variable that steers a terminal', { vars: { a: '\u001b[2J' } }, 'vars.a'],
        ['the metadata service', { callbackUrl: 'http://169.254.169.254/latest/meta-data/' }, 'callbackUrl'],
        ['the metadata service over https', { callbackUrl: 'https://169.254.169.254/' }, 'callbackUrl'],
        ['a host that nobody allowed', { callbackUrl: 'https://localhost/' }, 'callbackUrl'],
        ['another address of this machine', { callbackUrl: 'http://127.0.0.2/' }, 'callbackUrl'],
        ['a file as callback', { callbackUrl: 'file:///etc/passwd' }, 'callbackUrl'],
        ['an address with a password', { callbackUrl: 'https://a:b@127.0.0.1/' }, 'callbackUrl'],
        ['a token of another run', { callbackToken: `${randomUUID()}:99999999999999:${'a'.repeat(64)}` }, 'callbackToken'],
        ['an id that is a path', { runId: '../../../../tmp/evil' }, 'runId'],
    ];

    it('is refused by name, and nothing of it is stored or run', () =>
        withRunner({}, async (house) => {
            for (const [what, more, field] of hostile) {
                const payload = house.payload('runId' in more ? {} : more);
                const reply = await house.call('POST', '/dispatch', { ...payload, ...more });
                assert.equal(reply.status, 422, `${what}: ${reply.text}`);
                assert.equal(reply.body['error'], 'invalid');
                assert.deepEqual(Object.keys(reply.body['fields'] as Value), [field], what);
            }
            assert.deepEqual(house.list('state/queue'), []);
            assert.deepEqual(house.list('state/runs'), []);
            assert.deepEqual((await house.call('GET', '/runs')).body['runs'], []);
            assert.deepEqual(house.lines('starts'), []);
        }));

    it('a name that leads to this machine, although its host is allowed', () =>
        withRunner(
            { settings: { CALLBACK_ALLOWED_HOSTS: 'localhost,127.0.0.1', ALLOW_PRIVATE_CALLBACK: 'false', ALLOW_HTTP_CALLBACK: 'true' } },
            async (house) => {
                const payload = house.payload();
                const reply = await house.call('POST', '/dispatch', { ...payload, callbackUrl: house.platform.url('x', 'localhost') });
                assert.equal(reply.status, 422, reply.text);
                assert.match((reply.body['fields'] as Value)['callbackUrl'], /not public/);
                assert.equal(house.platform.heard.length, 0);
            },
        ));

    it('variables cannot become part of the environment, whatever their names are', () =>
        withRunner({}, async (house) => {
            const runId = await house.dispatch({ vars: { PATH: '/nowhere', LD_PRELOAD: '/nowhere/x.so', IFS: 'x', mark: 'here' } });
            assert.equal((await house.closed(runId))['state'], 'succeeded');
            assert.deepEqual(house.lines('starts'), ['ok here']);
        }));

    it('what is no dispatch at all', () =>
        withRunner({}, async (house) => {
            const rows: [string, string | Buffer, Record<string, string>, number][] = [
                ['no JSON', '{', {}, 400],
                ['no object', '[]', {}, 400],
                ['the same key twice', '{"runId":"a","runId":"b"}', {}, 400],
                ['a byte order mark', '\ufeff{}', {}, 400],
                ['wrong bytes', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), {}, 400],
                ['nested for ever', '['.repeat(2000) + ']'.repeat(2000), {}, 400],
                ['another media type', '{}', { 'content-type': 'text/plain' }, 415],
                ['no media type', '{}', { 'content-type': '' }, 415],
                ['a packed body', '{}', { 'content-encoding': 'gzip' }, 415],
                ['an empty object', '{}', {}, 422],
                ['10 MB of variables', JSON.stringify(house.payload({ vars: { a: 'x'.repeat(10 << 20) } })), {}, 413],
            ];
            for (const [what, body, headers, status] of rows) {
                const reply = await house.call('POST', '/dispatch', body, headers).catch((error: unknown) => error as Error);
                // the connection may end while the rest of a body that is too large is still being sent
                if (reply instanceof Error) assert.equal(status, 413, `${what}: ${reply.message}`);
                else assert.equal(reply.status, status, `${what}: ${reply.text}`);
            }
            assert.deepEqual(house.list('state/queue'), []);
        }));
});

describe('a workflow', { concurrency: 2 }, () => {
    it('cannot read what the runner keeps, though it runs as the same user', () =>
        withRunner({ tokenInFile: true }, async (house) => {
            const other = await house.dispatch({ workflow: 'wait' });
            await house.inState(other, 'running');
            const runId = await house.dispatch({ workflow: 'spy' });
            assert.equal((await house.closed(runId))['state'], 'succeeded');
            const log = (await house.call('GET', `/runs/${runId}/logs`)).text;
            assert.match(log, /spied/);
            assert.doesNotMatch(log, /SPY/);
            house.touch('go');
            await house.closed(other);
        }));

    it('gets an environment that begins empty, and what PASS_ENV names', () =>
        withRunner({ settings: { PASS_ENV: 'AWS_*,RUNNER_*', AWS_REGION: 'eu-1', OTHER_THING: 'x' } }, async (house) => {
            const runId = await house.dispatch({ workflow: 'tell', vars: { size: 3, list: [1, 'a b'] } });
            await house.closed(runId);
            const log = (await house.call('GET', `/runs/${runId}/logs`)).text;
            const names = log.split('\n').map((line) => line.split('=')[0]!);
            for (const name of ['AWS_REGION', 'ATMOS_RUNNER_VAR_size', 'ATMOS_RUNNER_VARS_FILE', 'HOME', 'CI']) assert.ok(names.includes(name), name);
            for (const name of names) assert.doesNotMatch(name, /^(RUNNER_AUTH|GIT_SSH|ATMOS_REPO|CALLBACK|OTHER|WORK_DIR|STATE_DIR)/);
            assert.match(log, /^ATMOS_RUNNER_VAR_list=\[1,"a b"\]$/m);
        }));
});

describe('a disk that takes nothing', { concurrency: 2 }, () => {
    it('is told to who dispatches, and nothing was accepted then', () =>
        withRunner({}, async (house) => {
            const payload = house.payload();
            house.lock('state/queue');
            const reply = await house.call('POST', '/dispatch', payload);
            assert.equal(reply.status, 503, reply.text);
            assert.ok(Number(reply.headers['retry-after']) > 0);
            house.unlock('state/queue');
            assert.equal((await house.call('POST', '/dispatch', payload)).status, 202);
            assert.equal((await house.closed(payload['runId'] as string))['state'], 'succeeded');
            assert.equal(house.lines('starts').length, 1);
        }));

    it('holds up what was accepted, until it takes something again', () =>
        withRunner({}, async (house) => {
            house.lock('state/runs');
            const runId = await house.dispatch();
            await until('it is not ready', async () => (await house.call('GET', '/readyz')).status === 503);
            assert.equal((await house.run(runId))['state'], 'queued');
            house.unlock('state/runs');
            assert.equal((await house.closed(runId))['state'], 'succeeded');
            assert.equal((await house.call('GET', '/readyz')).status, 200);
        }));
});

describe('the token', { concurrency: 2 }, () => {
    it('is asked for before anything else, and wrong is wrong', () =>
        withRunner({}, async (house) => {
            const wrong = ['', 'Bearer', `Bearer ${'0'.repeat(64)}`, `Basic ${house.authToken}`, `Bearer ${house.authToken} x`];
            const paths = ['/dispatch', '/runs', `/runs/${randomUUID()}`, `/runs/${randomUUID()}/logs`, '/metrics'];
            const answers: string[] = [];
            for (const [i, authorization] of wrong.entries()) {
                const path = paths[i]!;
                const reply = await house.call(path === '/dispatch' ? 'POST' : 'GET', path, undefined, { authorization });
                assert.equal(reply.status, 401, `${authorization} ${path}`);
                assert.equal(reply.headers['www-authenticate'], 'Bearer');
                answers.push(reply.text);
            }
            assert.deepEqual([...new Set(answers)], ['{"error":"unauthorized"}']);
            assert.equal((await house.call('GET', '/runs', undefined, { authorization: `bEARER ${house.authToken}` })).status, 200);
        }));

    it('guessing is slowed down, and whoever has the right one is not shut out by it', () =>
        withRunner({}, async (house) => {
            const statuses: number[] = [];
            for (let i = 0; i < 12; i++)
                statuses.push((await house.call('GET', '/runs', undefined, { authorization: 'Bearer wrong' })).status);
            assert.deepEqual(statuses, [...Array<number>(10).fill(401), 429, 429]);
            assert.equal((await house.call('GET', '/runs')).status, 200);
        }));

    it('may be changed while the runner works', () =>
        withRunner({ tokenInFile: true }, async (house) => {
            const next = 'f'.repeat(64);
            house.secrets.set('the next token', next);
            writeFileSync(join(house.dir, 'token'), `${next}\n`);
            house.signal('SIGHUP');
            const asks = (token: string) => house.call('GET', '/runs', undefined, { authorization: `Bearer ${token}` });
            await until('the new one is taken', async () => (await asks(next)).status === 200);
            assert.notEqual((await asks(house.authToken)).status, 200);
        }));

    it('before this one is accepted while rotating', () =>
        withRunner({ settings: { RUNNER_AUTH_TOKEN_PREVIOUS: 'e'.repeat(64) } }, async (house) => {
            house.secrets.set('the previous token', 'e'.repeat(64));
            for (const token of [house.authToken, 'e'.repeat(64)])
                assert.equal((await house.call('GET', '/runs', undefined, { authorization: `Bearer ${token}` })).status, 200);
        }));
});

describe('the queue', { concurrency: 2 }, () => {
    it('has an end, and says so', () =>
        withRunner({ settings: { MAX_QUEUE: '2', MAX_CONCURRENT_RUNS: '1' } }, async (house) => {
            const first = await house.dispatch({ workflow: 'wait' });
            await house.inState(first, 'running');
            const waiting = [await house.dispatch(), await house.dispatch()];
            assert.equal((await house.run(waiting[1]!))['position'], 1);
            const full = await house.call('POST', '/dispatch', house.payload());
            assert.equal(full.status, 429, full.text);
            assert.ok(Number(full.headers['retry-after']) > 0);
            house.touch('go');
            for (const runId of [first, ...waiting]) assert.equal((await house.closed(runId))['state'], 'succeeded');
        }));

    it('gives a stack to one run at a time, in order, while others pass', () =>
        withRunner({ settings: { MAX_CONCURRENT_RUNS: '4' } }, async (house) => {
            const first = await house.dispatch({ workflow: 'wait', stack: 'prod', vars: { mark: 'first' } });
            await house.inState(first, 'running');
            const second = await house.dispatch({ stack: 'prod', vars: { mark: 'second' } });
            const third = await house.dispatch({ stack: 'prod', vars: { mark: 'third' } });
            const other = await house.dispatch({ stack: 'dev', vars: { mark: 'other' } });
            await house.closed(other);
            assert.equal((await house.run(second))['state'], 'queued');
            house.touch('go');
            for (const runId of [first, second, third]) await house.closed(runId);
            assert.deepEqual(house.lines('starts'), ['wait first', 'ok other', 'ok second', 'ok third']);
        }));

    it('carries out many, each once', () =>
        withRunner({ settings: { MAX_CONCURRENT_RUNS: '4', LOG_LEVEL: 'info' } }, async (house) => {
            const marks = Array.from({ length: 24 }, (_, i) => `m${i}`);
            const runIds = await Promise.all(marks.map((mark, i) => house.dispatch({ stack: `stack-${i % 6}`, vars: { mark } })));
            for (const runId of runIds) {
                assert.equal((await house.closed(runId))['state'], 'succeeded');
                house.outcome(runId);
            }
            assert.deepEqual(house.lines('starts').sort(), marks.map((mark) => `ok ${mark}`).sort());
        }));

    it('lets go of a run that is cancelled, before and while it runs', () =>
        withRunner({ settings: { MAX_CONCURRENT_RUNS: '1' } }, async (house) => {
            const running = await house.dispatch({ workflow: 'sleep' });
            await house.inState(running, 'running');
            const queued = await house.dispatch();
            for (const runId of [queued, running])
                assert.equal((await house.call('POST', `/runs/${runId}/cancel`)).status, 202);
            for (const runId of [queued, running]) {
                const run = await house.closed(runId);
                assert.equal(run['state'], 'failed');
                assert.equal(run['reason'], 'cancelled');
                assert.equal(house.outcome(runId)['metadata'].reason, 'cancelled');
                assert.equal((await house.call('POST', `/runs/${runId}/cancel`)).status, 409);
            }
            assert.equal((await house.call('POST', `/runs/${randomUUID()}/cancel`)).status, 404);
            assert.deepEqual(house.lines('starts').length, 1);
        }));

    it('ends what does not want to end', () =>
        withRunner({ settings: { STOP_GRACE: '300ms' } }, async (house) => {
            const runId = await house.dispatch({ workflow: 'stubborn' });
            await until('it has begun', () => house.lines('starts').length === 1);
            await house.call('POST', `/runs/${runId}/cancel`);
            assert.equal((await house.closed(runId))['reason'], 'cancelled');
        }));

    it('keeps the time that a dispatch gives', () =>
        withRunner({ settings: { RUN_TIMEOUT: '1s', STOP_GRACE: '1s' } }, async (house) => {
            const runId = await house.dispatch({ workflow: 'sleep' });
            assert.equal((await house.closed(runId))['reason'], 'timeout');
            assert.equal(house.outcome(runId)['status'], 'failed');
        }));
});

describe('the other routes', { concurrency: 2 }, () => {
    it('tell of health, work and figures', () =>
        withRunner({}, async (house) => {
            const nobody = { authorization: '' };
            assert.deepEqual((await house.call('GET', '/healthz', undefined, nobody)).body, { status: 'ok' });
            assert.deepEqual((await house.call('GET', '/readyz', undefined, nobody)).body, { status: 'ready' });
            assert.equal((await house.call('HEAD', '/healthz', undefined, nobody)).status, 200);
            const runId = await house.dispatch();
            await house.closed(runId);
            const list = (await house.call('GET', '/runs')).body;
            assert.deepEqual((list['runs'] as Value[]).map((run) => [run['runId'], run['state']]), [[runId, 'succeeded']]);
            const figures = (await house.call('GET', '/metrics')).text;
            assert.match(figures, /^signalbox_runner_dispatches_total\{result="accepted"\} 1$/m);
            assert.match(figures, /^signalbox_runner_runs_total\{outcome="succeeded"\} 1$/m);
            assert.match(figures, /^signalbox_runner_callbacks_total\{result="delivered"\} 1$/m);
        }));

    it('cost nothing while nothing happens', () =>
        withRunner({}, async (house) => {
            const rounds = async () => Number(/^signalbox_runner_clerk_rounds_total (\d+)$/m.exec((await house.call('GET', '/metrics')).text)![1]);
            await house.closed(await house.dispatch());
            await house.closed(await house.dispatch({ workflow: 'fail' }));
            await until('no job is left', async () => (await house.call('GET', '/runs')).body['active'] === 0);
            const before = await rounds();
            await sleep(1500);
            assert.ok((await rounds()) - before <= 5, 'the clerk sleeps');
        }));

    it('are few', () =>
        withRunner({}, async (house) => {
            const rows: [string, string, number, string?][] = [
                ['GET', '/', 404],
                ['GET', '/dispatch', 405, 'POST'],
                ['PUT', '/dispatch', 405, 'POST'],
                ['POST', '/runs', 405, 'GET, HEAD'],
                ['DELETE', `/runs/${randomUUID()}`, 405, 'GET, HEAD'],
                ['GET', `/runs/${randomUUID()}`, 404],
                ['GET', '/runs/..%2f..%2fqueue', 404],
                ['GET', `/runs/${randomUUID()}/cancel`, 405, 'POST'],
                ['GET', `/runs/${randomUUID()}/logs`, 404],
            ];
            for (const [method, path, status, allow] of rows) {
                const reply = await house.call(method, path);
                assert.equal(reply.status, status, `${method} ${path}`);
                assert.equal(reply.headers['allow'], allow, `${method} ${path}`);
            }
        }));

    it('show the log while it grows, with secrets masked', () =>
        withRunner({}, async (house) => {
            house.secrets.set('a variable', 'hunter2-hunter2');
            const said = await house.dispatch({ workflow: 'say', vars: { db_password: 'hunter2-hunter2' } });
            await house.closed(said);
            const log = await house.call('GET', `/runs/${said}/logs`);
            assert.match(log.text, /said: \*\*\*/);
            assert.equal(log.headers['log-complete'], 'true');
            assert.doesNotMatch(JSON.stringify(house.platform.heard), /hunter2/);

            const runId = await house.dispatch({ workflow: 'wait' });
            let text = '';
            let from = 0;
            for (let done = false; !done; ) {
                const part = await house.call('GET', `/runs/${runId}/logs?follow=1&after=${from}`);
                assert.equal(part.status, 200);
                text += part.text;
                from = Number(part.headers['log-next']);
                done = part.headers['log-complete'] === 'true';
                if (text.includes('workflow wait')) house.touch('go');
            }
            assert.match(text, /workflow wait with --stack=/);
        }));
});

describe('the settings', () => {
    it('are looked at before anything else, and every problem is said', async () => {
        const house = await RunnerHouse.open();
        const { code, text } = house.refusal(['--check'], { PORT: 'x', RUNNER_AUTH_TOKEN: 'short', ATMOS_REPO_URL: 'ext::sh -c id' });
        assert.equal(code, 78);
        for (const part of ['PORT must be', 'shorter than 32', 'ATMOS_REPO_URL must be']) assert.ok(text.includes(part), text);
        assert.deepEqual(house.refusal(['--check']), { code: 0, text: 'the settings are fine\n' });
        const second = house.refusal();
        assert.notEqual(second.code, 0);
        assert.match(second.text, /another runner uses/);
        await house.close();
    });

    it('a flag that the real CLI does not have is asked for at the start', async () => {
        const house = await RunnerHouse.open();
        for (const mode of ['flag', 'both']) {
            const { code, text } = house.refusal(['--check'], { VARS_MODE: mode });
            assert.equal(code, 78);
            assert.match(text, /has no such flag/);
        }
        writeFileSync(join(house.dir, 'wrapper'), `#!${'/bin/sh'}\necho '  --vars k=v'\n`, { mode: 0o755 });
        const with_flag = house.refusal(['--check'], { VARS_MODE: 'flag', ATMOS_BIN: join(house.dir, 'wrapper') });
        assert.deepEqual(with_flag, { code: 0, text: 'the settings are fine\n' });
        await house.close();
    });

    it('root is no user for it', { skip: process.getuid?.() !== 0 && 'only root can try' }, async () => {
        const house = await RunnerHouse.open();
        const { code, text } = house.refusal([], { STATE_DIR: join(house.dir, 'other') }, {});
        assert.notEqual(code, 0);
        assert.match(text, /as root/);
        await house.close();
    });
});
