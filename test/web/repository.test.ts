/* The pages of one repository: settings, permissions, uploads, webhooks, actions; and what a member sees of them. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { affected, eventually, upload, type Browser as SignedIn, type Repo } from '../api/house.ts';
import { WebHouse, type Tab } from './house.ts';

let web: WebHouse;
let ada: SignedIn;
let repo: Repo;
before(async () => {
    web = await WebHouse.open();
    ada = await web.house.welcome('ada');
    repo = await web.house.repo('infra');
});
after(() => web.closeContent());

const at = (tab: string) => `/repositories/${repo.lane}/${tab}`;
const rowsOf = (tab: Tab, name: string) =>
    tab.page
        .getByRole('table', { name })
        .getByRole('row')
        .filter({ has: tab.page.getByRole('cell') });
const settings = async () =>
    (await web.house.ok('GET', `/api/v1/repositories/${repo.lane}/settings`)).data;

test('settings are judged as one types, and what saving changes is said before it is saved', async () => {
    const tab = await web.tab(ada);
    await tab.go(at('settings'));
    const threshold = tab.page.getByLabel('Threshold', { exact: true });
    await threshold.waitFor();
    await tab.axe('Settings');
    await threshold.fill('0');
    await tab.page.getByText('At least 1.').first().waitFor();
    assert.equal(await tab.page.getByRole('button', { name: /^Save/ }).isDisabled(), true);
    await threshold.fill('80');
    await tab.page.getByLabel('Threshold hold').click();
    const diff = tab.page.getByRole('region', { name: 'What saving changes' });
    await diff.getByText('Threshold', { exact: true }).waitFor();
    assert.deepEqual(
        await diff
            .getByRole('listitem')
            .allInnerTexts()
            .then((all) => all.map((one) => one.replace(/\s+/g, ' '))),
        ['Threshold hold off → on', 'Threshold 50 → 80'],
    );
    await tab.axe('Settings before they are saved');
    assert.equal((await settings())['threshold'], 50, 'nothing is saved before one says so');
    await diff.getByRole('button', { name: 'Save 2 changes' }).click();
    await diff.waitFor({ state: 'detached' });
    const now = await settings();
    assert.deepEqual([now['threshold'], now['threshold_hold']], [80, true]);
    await tab.page.reload();
    await threshold.waitFor();
    assert.equal(await threshold.inputValue(), '80');
    await tab.page.getByText(/Last changed by/).waitFor();
    await tab.close();
});

test('what the file of the repository sets cannot be set here, and is said to be there', async () => {
    const kept = await web.house.repo('kept', { '.github/signalbox.yaml': 'threshold: 7\n' });
    await web.house.settled();
    const tab = await web.tab(ada);
    await tab.go(`/repositories/${kept.lane}/settings`);
    await eventually(async () => {
        const { data } = await web.house.ok('GET', `/api/v1/repositories/${kept.lane}`);
        assert.equal(data['settingsFile']['settings']['threshold'], 7);
    });
    await tab.page.reload();
    await tab.page.getByText('set in .github/signalbox.yaml').waitFor();
    assert.equal(await tab.page.getByLabel('Threshold', { exact: true }).isDisabled(), true);
    await tab.close();
});

test('permission rows are added and removed', async () => {
    const tab = await web.tab(ada);
    await tab.go(at('permissions'));
    const rows = tab.page.getByRole('row').filter({ hasText: 'deploy-.*' });
    await tab.page.getByRole('form', { name: 'Add a permission' }).waitFor();
    await tab.axe('Permissions');
    await tab.page.getByLabel('Branch').fill('deploy-.*');
    await tab.page.getByRole('button', { name: 'Add' }).click();
    await rows.waitFor();
    await rows.getByRole('button', { name: 'Remove' }).click();
    await tab.page
        .getByRole('dialog', { name: 'Remove this permission?' })
        .getByRole('button', { name: 'Remove' })
        .click();
    await rows.waitFor({ state: 'detached' });
    await tab.page.getByLabel('Branch').fill('(');
    tab.allow(/400/);
    await tab.page.getByRole('button', { name: 'Add' }).click();
    await tab.page.getByRole('alert').getByText('This could not be done').waitFor();
    await tab.close();
});

test('an upload that was refused says why, at home and among the uploads', async () => {
    const { house } = web;
    const body = upload(repo, [affected('bad\u0007<i>name</i>', 'dev')]);
    const reply = await house.call('POST', '/api/v1/affected-stacks', {
        token: await house.session(repo),
        body,
    });
    assert.equal(reply.status, 400, reply.text);
    const tab = await web.tab(ada);
    await tab.go(at('uploads'));
    const row = rowsOf(tab, 'Uploads').filter({ hasText: 'refused' });
    await row.getByText(/control character/).waitFor();
    await tab.axe('Uploads');
    await tab.go('/');
    await tab.page
        .getByRole('region', { name: /^Needs you/ })
        .getByText(/control character/)
        .waitFor();
    await tab.close();
});

test('a webhook is shown with its payload and what it did, and is applied again only after asking', async () => {
    const { house } = web;
    await house.sim.openPull(repo.full_name, {
        head: 'odd',
        title: '<img src=x onerror=alert(1)>',
        files: { 'x.tf': '#' },
    });
    await house.settled();
    const tab = await web.tab(ada);
    await tab.go(at('webhooks'));
    const row = rowsOf(tab, 'What came in').filter({ hasText: 'pull_request' });
    await row.first().waitFor();
    await tab.axe('Webhooks');
    await row.first().getByText('pull_request').click();
    const panel = tab.page.getByRole('dialog', { name: /^Received: \d+$/ });
    await panel.getByText('<img src=x onerror=alert(1)>').first().waitFor();
    await panel.getByText('x-github-event').waitFor();
    assert.match(tab.page.url(), /open=\d+/);
    await tab.axe('A webhook');
    await panel.getByRole('button', { name: 'Replay' }).click();
    const sure = tab.page.getByRole('dialog', { name: 'Apply this again?' });
    assert.equal(
        (await house.all('/api/v1/audit?action=fact.replayed')).length,
        0,
        'nothing is done before one says so',
    );
    await sure.getByRole('button', { name: 'Apply again' }).click();
    await tab.sees('It was taken again; its state shows what came of it.');
    await eventually(async () =>
        assert.equal((await house.all('/api/v1/audit?action=fact.replayed')).length, 1),
    );
    await tab.page.reload();
    await tab.page.getByRole('dialog', { name: /^Received: \d+$/ }).waitFor();
    await tab.close();
});

test('an action is set off with its parameters, and its run appears', async () => {
    const { house } = web;
    await house.ok('PUT', `/api/v1/repositories/${repo.lane}/actions/provision-tenant`, {
        kind: 'Action',
        displayName: 'Provision a tenant',
        parameters: [
            { name: 'customer', required: true },
            { name: 'size', type: 'number', enum: [1, 2], default: 1 },
        ],
        trigger: { type: 'noop' },
    });
    const tab = await web.tab(ada);
    await tab.go(at('actions'));
    await tab.page.getByRole('button', { name: 'Set off' }).click();
    const dialog = tab.page.getByRole('dialog', { name: 'Set off Provision a tenant' });
    await dialog.getByRole('button', { name: 'Set off' }).click();
    await dialog.getByText('This one is needed.').waitFor();
    await dialog.getByLabel('customer').fill('<b>acme</b>');
    await dialog.getByLabel('size').selectOption('2');
    await tab.axe('Setting off an action');
    await dialog.getByRole('button', { name: 'Set off' }).click();
    await dialog.waitFor({ state: 'detached' });
    const row = rowsOf(tab, 'Runs of actions').filter({ hasText: 'customer=<b>acme</b> size=2' });
    await row.getByText('done').waitFor();
    await tab.axe('Actions');
    await tab.close();
});

test('a member sees all of it, no button that would be refused, and is refused by the API', async () => {
    const { house } = web;
    const { data } = await house.ok(
        'POST',
        '/api/v1/invitations',
        { role: 'member' },
        { isSecret: true },
    );
    const code = new URL(data['url'] as string).hash.replace('#code=', '');
    const bea = await house.welcome('bea', code);
    await house.ok('POST', '/api/v1/locks', {
        key: 'acme/infra/dev/vpc',
        ttl: 600,
        lockMessage: 'mine',
    });
    const tab = await web.tab(bea);
    const none = async (...names: (string | RegExp)[]) => {
        for (const name of names)
            assert.equal(await tab.page.getByRole('button', { name }).count(), 0, String(name));
    };
    await tab.go(at('settings'));
    await tab.sees('Owners and admins of the workspace may change these.');
    assert.equal(await tab.page.getByLabel('Threshold', { exact: true }).isDisabled(), true);
    await none(/^Save/);
    await tab.go(at('permissions'));
    await tab.page.getByRole('cell', { name: 'Locks Create' }).first().waitFor();
    await none('Add', 'Remove');
    await tab.go(at('actions'));
    await tab.page.getByText('Provision a tenant').waitFor();
    await none('Set off', 'Stop');
    await tab.go(at('webhooks'));
    await rowsOf(tab, 'What came in').first().waitFor();
    await tab.go('/locks');
    await rowsOf(tab, 'Locks').filter({ hasText: 'mine' }).waitFor();
    await none('Unlock');
    await tab.go('/audit');
    await tab.sees('Owners and admins of the workspace may read this');
    tab.allow(/403/);
    const statuses = await tab.page.evaluate(async (lane) => {
        const me = (await (await fetch('/api/v1/session')).json()) as { data: { csrf: string } };
        const headers = { 'content-type': 'application/json', 'x-signalbox-csrf': me.data.csrf };
        const ask = async (method: string, path: string, body: object) =>
            (await fetch(path, { method, headers, body: JSON.stringify(body) })).status;
        return [
            await ask('PATCH', `/api/v1/repositories/${lane}/settings`, { threshold: 3 }),
            await ask('POST', `/api/v1/repositories/${lane}/permissions`, { name: 'Locks Create' }),
            await ask('DELETE', '/api/v1/locks', { key: 'acme/infra/dev/vpc' }),
            await ask('POST', `/api/v1/repositories/${lane}/actions/provision-tenant/runs`, {}),
            (await fetch('/api/v1/audit/export?format=csv')).status,
        ];
    }, repo.lane);
    assert.deepEqual(statuses, [403, 403, 403, 403, 403]);
    await tab.close();
});
