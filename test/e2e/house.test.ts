/* The App's own life: set-up by manifest, installation, suspension, renaming, and coming back after an absence (issue text point 3). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { all_success, Box, plan_file, Refused, withBox, type Repository } from './box.ts';
import { diamond, repositoryFiles } from './graph.ts';

describe('the App and its installation', { concurrency: 2 }, () => {
    it('repositories come and go with the installation', () =>
        withBox({}, async (box) => {
            const names = async () => (await box.all<Repository & { removedAt?: string | null }>('/api/v1/repositories')).map((one) => one.name).sort();
            assert.deepEqual(await names(), ['infra']);
            assert.equal((await box.repository())!.defaultBranch, 'main');
            const more = await box.sim.createRepo({ owner: 'acme', name: 'network', files: repositoryFiles(), installation: -1 } as never);
            assert.deepEqual(await names(), ['infra'], 'what the App is not installed on is unknown');
            await box.sim.installation(box.installation, 'repositories', { add: [more.id] });
            await box.until('the second repository', async () => (await names()).includes('network'));
        }));

    it('a suspended App sends nothing; when it is back, the batch goes on', () =>
        withBox({}, async (box) => {
            await box.sim.script({ match: { component: 'network' }, runMs: 3_600_000 });
            const pull = await box.pull();
            await box.uploadPull(diamond, pull);
            const batch = await box.batch('opened');
            await box.until('the rest to wait for one', async () => {
                const states = Object.values(await box.states(batch.id));
                return states.filter((state) => state === 'running').length === 1 && states.filter((state) => state === 'success').length === 2;
            });
            await box.sim.installation(box.installation, 'suspend');
            const [slow] = (await box.forgeRuns(plan_file)).filter((run) => run.status !== 'completed');
            await box.sim.run(slow!.id, 'finish', { conclusion: 'success' });
            await box.sim.idle();
            await new Promise((done) => setTimeout(done, 700));
            assert.equal((await box.forgeRuns(plan_file)).length, 3, 'the batch is in the middle');
            const before = await box.sim.referee();
            const began = Date.now();
            await new Promise((done) => setTimeout(done, 800));
            const later = await box.sim.referee();
            assert.equal((await box.forgeRuns(plan_file)).length, 3, 'nothing is sent while it is suspended');
            const calls_max = 4 + (Date.now() - began) / 400;
            assert.ok(later.calls.total - before.calls.total <= calls_max, `hardly a call: ${later.calls.total - before.calls.total}`);
            await box.sim.installation(box.installation, 'unsuspend');
            assert.equal((await box.ended('opened')).verdict, 'success', await box.state());
            await box.checked(pull.head_sha, 'success');
            await box.clean({ intents: 7 });
        }));

    it('a renamed repository goes on under its new name', () =>
        withBox({ runMs: 300 }, async (box) => {
            const pull = await box.pull();
            await box.uploadPull(diamond, pull);
            const batch = await box.batch('opened');
            await box.until('a first plan', async () => Object.values(await box.states(batch.id)).includes('running'));
            await box.sim.rename(box.repo, 'platform');
            box.repo = 'acme/platform';
            await box.until('the new name', async () => (await box.repository()) !== undefined);
            assert.equal((await box.ended('opened')).verdict, 'success', await box.state());
            const second = await box.sim.pushToPull(box.repo, pull.number, { 'b.tf': '# more\n' });
            await box.uploadPull(diamond, second);
            assert.equal((await box.ended('synchronize')).verdict, 'success');
            await box.checked(second.head_sha, 'success');
            await box.clean({ intents: 14 });
        }));

    it('what happened while the server was away is made up for', () =>
        withBox({}, async (box) => {
            await box.serve.end('SIGTERM');
            const pull = await box.pull();
            await box.sim.idle();
            await box.serve.start();
            await box.uploadPull(diamond, pull);
            const batch = await box.ended('opened');
            assert.ok(all_success(await box.states(batch.id)));
            await box.checked(pull.head_sha, 'success');
            await box.clean({ intents: 7 });
        }));
});

describe('the set-up page', () => {
    /** A browser's part: the page's form, GitHub's redirect back, with the cookie of the first answer. */
    async function connect(box: Box, code: string): Promise<{ back: string; cookie: string }> {
        const page = await fetch(`${box.serve.url}/setup?code=${code}`);
        const text = await page.text();
        assert.equal(page.status, 200, text);
        const unescape = (html: string) => html.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
        const action = unescape(/action="([^"]+)"/.exec(text)![1]!);
        const manifest = unescape(/name="manifest" value="([^"]+)"/.exec(text)![1]!);
        const cookie = page.headers.get('set-cookie')!.split(';')[0]!;
        const sent = await fetch(action, { method: 'POST', body: new URLSearchParams({ manifest }), redirect: 'manual' });
        assert.equal(sent.status, 302, await sent.text());
        return { back: sent.headers.get('location')!, cookie };
    }

    it('one click makes the App, stores its keys sealed, and the App works, also after a restart', async () => {
        const box = await Box.open({ wired: false, serve: { setup_code: 'open-sesame' } });
        try {
            assert.equal((await fetch(`${box.serve.url}/setup`)).status >= 400, true, 'a stranger without the code of the log gets nothing');
            const { back, cookie } = await connect(box, 'open-sesame');
            assert.ok(back.startsWith(`${box.serve.url}/setup/callback?`), back);
            assert.equal((await fetch(back)).status >= 400, true, 'another browser cannot finish it');
            const second = await connect(box, 'open-sesame');
            const done = await fetch(second.back, { headers: { cookie: second.cookie } });
            assert.equal(done.status, 200, await done.text());
            assert.notEqual(cookie, '');
            const { app } = await box.sim.settings();
            assert.equal(app.webhook_url, `${box.serve.url}/webhooks/github`);
            assert.equal((await fetch(second.back, { headers: { cookie: second.cookie } })).status >= 400, true, 'a code works once');
            assert.equal((await fetch(`${box.serve.url}/setup?code=open-sesame`)).status >= 400, true, 'there is an App already');

            await box.install(repositoryFiles());
            const pull = await box.pull();
            await box.uploadPull(diamond, pull);
            assert.equal((await box.ended('opened')).verdict, 'success');
            await box.serve.end('SIGTERM');
            await box.serve.start();
            await box.sim.mergePull(box.repo, pull.number);
            await box.uploadMerged(diamond, pull);
            assert.equal((await box.ended('merged')).verdict, 'success');
            await box.checked(pull.head_sha, 'success');
            await box.clean({ intents: 14 });
            const log = box.serve.log();
            for (const secret of [app.webhook_secret, app.private_key.split('\n')[2]!]) assert.ok(!log.includes(secret), 'no secret in the log');
        } finally {
            await box.close();
        }
    });

    it('says so when no App is there yet', async () => {
        const box = await Box.open({ wired: false });
        try {
            const answer = await fetch(`${box.serve.url}/webhooks/github`, { method: 'POST', body: '{}', headers: { 'x-github-event': 'ping' } });
            assert.ok(answer.status >= 400);
            await assert.rejects(box.post('/api/v1/dispatch', { repo: 'acme/infra', stack: 's', component: 'c', workflow: plan_file }), (error: Refused) => error.status === 404);
        } finally {
            await box.close();
        }
    });
});
