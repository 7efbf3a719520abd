/* An empty installation, led by the hand: each step is done in the world outside, and the page notices. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { affected, repositoryFiles, type Part } from '../e2e/graph.ts';
import { upload, type Browser as SignedIn, type Value } from '../api/house.ts';
import { patience_ms, WebHouse, type Tab } from './house.ts';

const parts: Part[] = [{ component: 'network/vpc', stack: 'plat-use1-dev', after: [] }];
let web: WebHouse;
let ada: SignedIn;
before(async () => {
    web = await WebHouse.open({ isBare: true, settings: { setup_code: 'open sesame' } });
    ada = await web.house.welcome('ada');
});
after(() => web.closeContent());

const step = (tab: Tab, id: string) => tab.page.locator(`[data-step="${id}"]`);
const isDone = (tab: Tab, id: string) =>
    tab.page.locator(`[data-step="${id}"][data-done="true"]`).waitFor({ timeout: patience_ms });

test('from nothing to the first upload, without a reload after the App is there', async () => {
    const { house } = web;
    const tab = await web.tab(ada);
    const forge = new URL(house.sim.ready.api).origin;
    tab.allow(new RegExp(`a request to another host: ${forge}/`));
    await tab.go('/start');
    await step(tab, 'app').waitFor();
    assert.equal(await step(tab, 'app').getAttribute('data-done'), 'false');
    assert.equal(await step(tab, 'app').getAttribute('aria-current'), 'step');

    await tab.page.getByRole('link', { name: 'Create the App at GitHub' }).click();
    await tab.page.getByRole('button', { name: 'Create the GitHub App' }).click();
    await tab.page.waitForURL(/\/setup\/callback/);
    await tab.go('/start');
    await isDone(tab, 'app');
    await tab.page.getByRole('link', { name: /^Install / }).waitFor();
    await tab.sees('.github/workflows/atmos-terraform-plan.yaml');
    await tab.axe('set-up, in the middle');

    await house.sim.settings({ webhook_url: `${web.url}/webhooks/github` });
    const view = await house.sim.createRepo({
        owner: 'acme',
        name: 'infra',
        files: repositoryFiles(),
    });
    await house.sim.installation(view.installation_id!, 'created');
    await isDone(tab, 'install');
    await isDone(tab, 'import');

    const known = (await house.all('/api/v1/repositories')) as Value[];
    const repo = { ...view, lane: known[0]!['id'] as number };
    const pull = await house.sim.openPull('acme/infra', {
        head: 'first',
        title: 'The first',
        files: { 'a.tf': '#' },
    });
    const runner = {
        event_name: 'pull_request',
        ref: `refs/pull/${pull.number}/merge`,
        head_ref: 'first',
        base_ref: 'main',
        sha: pull.head_sha,
        workflow: 'atmos-affected.yaml',
    };
    const token = await house.session(repo, runner);
    const body = upload(repo, affected(parts) as unknown as Value[], { head_sha: pull.head_sha });
    await house.ok('POST', '/api/v1/affected-stacks', body, { token });
    await isDone(tab, 'upload');
    await isDone(tab, 'workflows');
    await tab.sees('Everything is in place.');
    await tab.page.getByRole('link', { name: 'watch it here' }).click();
    await tab.page.getByRole('heading', { level: 1, name: 'Now' }).waitFor();
    await tab.close();
});
