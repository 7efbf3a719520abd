/*
 * Secrets stay secret. Every house looks for the planted ones in each answer, in the log and in the database when it closes; here they
 * are driven through every door they could leave by. And the set-up page: GitHub's keys go sealed into the database, once.
 */
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { databases } from '../run/server.ts';
import { affected, eventually, House, send, upload, type Value } from './house.ts';

function unescaped(text: string): string {
    return text
        .replaceAll('&quot;', '"')
        .replaceAll('&#39;', "'")
        .replaceAll('&lt;', '<')
        .replaceAll('&gt;', '>')
        .replaceAll('&amp;', '&');
}

/** The set-up page's button pressed, as far as GitHub's redirect: where the browser is sent, with the cookie it has. */
async function pressButton(house: House, code: string): Promise<{ back: URL; cookie: string }> {
    const page = await house.call('GET', `/setup?code=${encodeURIComponent(code)}`);
    assert.equal(page.status, 200, page.text);
    const cookie = String(page.headers['set-cookie']).split(';')[0]!;
    const action = unescaped(/action="([^"]+)"/.exec(page.text)![1]!);
    const manifest = unescaped(/name="manifest" value="([^"]+)"/.exec(page.text)![1]!);
    const form = new URLSearchParams({ manifest }).toString();
    const target = new URL(action);
    const answer = await send(target.origin, 'POST', target.pathname + target.search, {
        raw: form,
        type: 'application/x-www-form-urlencoded',
        headers: { 'user-agent': 'a browser' },
    });
    assert.equal(answer.status, 302, answer.text);
    return { back: new URL(String(answer.headers['location'])), cookie };
}

for (const kind of databases)
    describe(`secrets on ${kind.name}`, () => {
        it('leave by no door: answers, errors, log, metrics, audit, database', async () => {
            const house = await House.open(kind, { settings: { log_level: 'debug' } });
            try {
                const repo = await house.repo('secrets');
                const oidc = await house.mint(repo);
                house.secrets.set('the signature of an OIDC token', oidc.split('.')[2]!);
                const session = (await house.exchange(oidc)).data['token'] as string;
                house.secrets.delete('the signature of an OIDC token');
                await house.exchange(oidc);
                house.secrets.set('the signature of an OIDC token', oidc.split('.')[2]!);
                house.secrets.set('the signature of a session', session.split('.')[2]!);
                const made = await house.token({ name: 'leaky', role: 'admin' });
                const everywhere = {
                    authorization: `Bearer ${made.token}`,
                    'x-request-id': 'trace',
                    'user-agent': 'atmos/1.226.1',
                };
                await house.call('POST', '/api/v1/affected-stacks', {
                    headers: everywhere,
                    body: upload(repo, [affected('a', 'b')]),
                });
                await house.call('POST', '/api/v1/affected-stacks', { token: session, raw: '{' });
                await house.call('GET', '/api/v1/batches/nothing', { token: session });
                await house.call('GET', '/api/v1/tokens', { token: `${made.token}x` });
                await house.call('GET', '/api/v1/tokens', { token: session });
                await house.deliver('push', {
                    ref: 'refs/heads/main',
                    after: 'e'.repeat(40),
                    repository: { id: repo.id, full_name: repo.full_name },
                });
                await house.deliver('push', {}, { headers: { 'x-hub-signature-256': 'sha256=0' } });
                await house
                    .ok('POST', '/api/v1/dispatch', {
                        repo: repo.full_name,
                        stack: 'a',
                        component: 'b',
                        workflow: 'none.yaml',
                        dryRun: true,
                    })
                    .catch(() => undefined);
                for (const path of [
                    'tokens',
                    'audit',
                    'facts',
                    'uploads',
                    'repositories',
                    'workspaces',
                ])
                    await house.all(`/api/v1/${path}`);
                await house.call('GET', '/metrics');
                await house.call('GET', `/api/v1/locks?key=${encodeURIComponent(made.token)}`, {
                    token: made.token,
                });
                await house.settled();
            } finally {
                await house.close();
            }
        });

        it('are looked for in earnest: one that is planted is found', async () => {
            const house = await House.open(kind);
            try {
                await house.ok('POST', '/api/v1/locks', { key: 'planted-in-the-open', ttl: 60 });
                house.secrets.set('a planted text', 'planted-in-the-open');
                assert.throws(
                    () => house.findSecrets('the database', house.database.dump()),
                    /a planted text/,
                );
                await assert.rejects(house.ok('GET', '/api/v1/locks'), /a planted text/);
                house.secrets.delete('a planted text');
            } finally {
                await house.close();
            }
        });

        it('lie in files that only their owner reads', async () => {
            const house = await House.open(kind);
            try {
                const files = readdirSync(house.database.dir).filter((file) =>
                    file.startsWith('signalbox.db'),
                );
                for (const file of files)
                    assert.equal(statSync(join(house.database.dir, file)).mode & 0o077, 0, file);
            } finally {
                await house.close();
            }
        });
    });

for (const kind of databases)
    describe(`the set-up page on ${kind.name}`, () => {
        it('creates the App once, seals its keys, and works from then on, also after a restart', async () => {
            const house = await House.open(kind, {
                isBare: true,
                settings: { setup_code: 'open sesame' },
            });
            try {
                for (const query of ['', '?code=', '?code=guess', '?code=open%20sesam'])
                    assert.equal((await house.call('GET', `/setup${query}`)).status, 403, query);
                const { back, cookie } = await pressButton(house, 'open sesame');
                assert.equal(back.host, 'signalbox.test');

                const twisted = new URL(back);
                twisted.searchParams.set('state', '0'.repeat(64));
                const refused = await house.call('GET', twisted.pathname + twisted.search, {
                    headers: { cookie },
                });
                assert.equal(refused.status, 400, refused.text);
                assert.equal(
                    (await house.call('GET', back.pathname + back.search)).status,
                    400,
                    'without the cookie of our page',
                );

                const done = await house.call('GET', back.pathname + back.search, {
                    headers: { cookie },
                });
                assert.equal(done.status, 200, done.text);
                const { app } = await house.sim.settings();
                assert.notEqual(
                    app.webhook_secret,
                    house.webhookSecret,
                    'a new App with new secrets',
                );
                house.webhookSecret = app.webhook_secret;
                house.secrets.set("the new App's webhook secret", app.webhook_secret);
                house.secrets.set("the new App's key", app.private_key.split('\n')[3]!);
                house.findSecrets('the page', done.text);

                assert.equal((await house.call('GET', '/setup?code=open%20sesame')).status, 409);
                const again = await house.call('GET', back.pathname + back.search, {
                    headers: { cookie },
                });
                assert.equal(again.status, 409, again.text);
                assert.equal((await house.deliver('ping', { zen: 'x' })).status, 202);

                await house.server.stop();
                await house.start();
                assert.equal((await house.deliver('ping', { zen: 'x' })).status, 202);
                assert.equal((await house.call('GET', '/setup?code=open%20sesame')).status, 409);
                const repo = await house.repo('after', {
                    '.github/workflows/plan.yaml':
                        'on:\n  workflow_dispatch:\njobs: {a: {runs-on: x, steps: []}}\n',
                });
                await house.ok('POST', '/api/v1/dispatch', {
                    repo: repo.full_name,
                    stack: 'a',
                    component: 'b',
                    workflow: 'plan.yaml',
                });
                await eventually(async () => {
                    const [run] = await house.all('/api/v1/runs');
                    assert.ok(
                        (run as Value)['forgeRunId'],
                        'the key signs: a run was started at the forge',
                    );
                });
            } finally {
                await house.close();
            }
        });

        it('refuses an organization that is none, and shows hostile text as text', async () => {
            const house = await House.open(kind, { isBare: true, settings: { setup_code: 'c' } });
            try {
                for (const name of ['"><script>', 'a/b', '../x', 'a b', "x'y", 'x'.repeat(101)])
                    assert.equal(
                        (
                            await house.call(
                                'GET',
                                `/setup?code=c&organization=${encodeURIComponent(name)}`,
                            )
                        ).status,
                        400,
                        name,
                    );
                const page = await house.call('GET', '/setup?code=c&organization=acme');
                assert.match(page.text, /\/organizations\/acme\/settings\/apps\/new/);
                assert.match(String(page.headers['content-security-policy']), /default-src 'none'/);
            } finally {
                await house.close();
            }
        });
    });
