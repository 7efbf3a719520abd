/* Locks, seen in two windows; the audit log and its export; the budget. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { eventually, type Browser as SignedIn } from '../api/house.ts';
import { WebHouse, type Tab } from './house.ts';

let web: WebHouse;
let ada: SignedIn;
before(async () => {
    web = await WebHouse.open();
    ada = await web.house.welcome('ada');
    await web.house.repo('infra');
});
after(() => web.closeContent());

const rowsOf = (tab: Tab, name: string) =>
    tab.page
        .getByRole('table', { name })
        .getByRole('row')
        .filter({ has: tab.page.getByRole('cell') });

test('a lock is refused while it is typed, taken, seen by another window, and ended there', async () => {
    const tab = await web.tab(ada);
    const other = await web.tab(ada, { scheme: 'dark' });
    await other.go('/locks');
    await other.sees('Nothing is locked');
    await tab.go('/locks');
    await tab.sees('Nothing is locked');
    await tab.axe('Locks, none');
    await tab.page.getByRole('button', { name: 'Take a lock' }).click();
    const dialog = tab.page.getByRole('dialog', { name: 'Take a lock' });
    await dialog.getByRole('button', { name: 'Take the lock' }).click();
    await dialog.getByText('Which stack?').waitFor();
    await tab.axe('Taking a lock');
    await dialog.getByRole('combobox', { name: 'Repository' }).click();
    await tab.page.getByRole('option', { name: 'acme/infra' }).click();
    await dialog.getByLabel('Stack').fill('prod/eu');
    await dialog.getByText('A stack has no slash.').waitFor();
    await dialog.getByLabel('Stack').fill('prod');
    await dialog.getByLabel('Component').fill('net/<b>vpc</b>');
    await dialog.getByLabel('For how long').fill('31d');
    await dialog.getByText('At most 30 d.').waitFor();
    await dialog.getByLabel('For how long').fill('2h');
    await dialog.getByLabel('Why').fill('migration by hand');
    await dialog.getByRole('button', { name: 'Take the lock' }).click();
    await dialog.waitFor({ state: 'detached' });
    await rowsOf(tab, 'Locks').filter({ hasText: 'net/<b>vpc</b>' }).waitFor();

    const row = rowsOf(other, 'Locks').filter({ hasText: 'migration by hand' });
    await row.getByText(/1 h 59 min|2 h/).waitFor();
    await row.getByText('ada').waitFor();
    await other.axe('Locks');
    await row.getByRole('button', { name: 'Unlock' }).click();
    const sure = other.page.getByRole('dialog', { name: 'End this lock?' });
    await sure.getByText('acme/infra/prod/net/<b>vpc</b>').waitFor();
    await sure.getByRole('button', { name: 'Unlock' }).click();
    await other.sees('Nothing is locked');
    await tab.sees('Nothing is locked');
    await tab.close();
    await other.close();
});

test('somebody else has the lock: the page says who, why and until when', async () => {
    await web.house.ok('POST', '/api/v1/locks', {
        key: 'freeze',
        ttl: 120,
        lockMessage: 'Black Friday',
    });
    const tab = await web.tab(ada);
    await tab.go('/locks');
    await tab.page.getByRole('button', { name: 'Take a lock' }).click();
    const dialog = tab.page.getByRole('dialog', { name: 'Take a lock' });
    await dialog.getByText('Any key').click();
    await dialog.getByLabel('Key', { exact: true }).fill('freeze');
    tab.allow(/409/);
    await dialog.getByRole('button', { name: 'Take the lock' }).click();
    await dialog
        .getByRole('alert')
        .getByText(/freeze is locked by .* Black Friday/)
        .waitFor();
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    const left = rowsOf(tab, 'Locks')
        .filter({ hasText: 'freeze' })
        .getByText(/^[01]:\d\d/);
    const before = await left.textContent();
    await eventually(async () =>
        assert.notEqual(await left.textContent(), before, 'it counts down'),
    );
    await tab.close();
});

test('the audit log is filtered by its address, opened, and taken along as a file', async () => {
    const { house } = web;
    await house.ok('POST', '/api/v1/locks', { key: '=cmd()', ttl: 60, lockMessage: '+1' });
    const tab = await web.tab(ada);
    await tab.go('/audit?action=lock.created');
    const rows = rowsOf(tab, 'Audit log');
    await rows.filter({ hasText: '=cmd()' }).waitFor();
    await tab.axe('Audit');
    const total = (await house.all('/api/v1/audit?action=lock.created')).length;
    await tab.page.getByRole('button', { name: 'Export what is filtered' }).click();
    const [csv] = await Promise.all([
        tab.page.waitForEvent('download'),
        tab.page.getByRole('menuitem', { name: /^CSV/ }).click(),
    ]);
    const text = readFileSync(await csv.path(), 'utf8');
    assert.equal(text.trimEnd().split('\n').length, total + 1);
    assert.doesNotMatch(text, /(^|,)"?=cmd/m, 'a spreadsheet would take it for a formula');
    await tab.page.getByRole('button', { name: 'Export what is filtered' }).click();
    const [lines] = await Promise.all([
        tab.page.waitForEvent('download'),
        tab.page.getByRole('menuitem', { name: /^NDJSON/ }).click(),
    ]);
    const entries = readFileSync(await lines.path(), 'utf8')
        .trimEnd()
        .split('\n')
        .map((one) => JSON.parse(one));
    assert.deepEqual(new Set(entries.map((one) => one.action)), new Set(['lock.created']));
    assert.equal(entries.length, total);

    await rows.filter({ hasText: '=cmd()' }).click();
    const panel = tab.page.getByRole('dialog', { name: 'lock.created' });
    await panel.getByText('=cmd()').first().waitFor();
    await tab.axe('An entry of the audit log');
    await tab.page.keyboard.press('Escape');
    await tab.page.getByRole('textbox', { name: 'Who' }).fill('nobody-at-all');
    await tab.sees('Nothing is like this');
    await tab.close();
});

test('the budget shows the installation, its quota in words and what waits', async () => {
    const tab = await web.tab(ada);
    await tab.go('/budget');
    await tab.page
        .getByRole('region', { name: '1 repository' })
        .getByText('Waits for budget')
        .waitFor();
    await tab.sees('Nothing waits.');
    await tab.axe('Budget');
    await tab.close();
});
