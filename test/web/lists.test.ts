/* Now, deployments and instances: what stands in the lists, that their filters are addresses, and that names of others stay text. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, type Browser as SignedIn } from '../api/house.ts';
import { WebHouse, type Tab } from './house.ts';
import { many, pullScene, until, type Scene } from './scenes.ts';

const hostile = `<script>window.hit=1</script> \u202Eevil\u202C ${'long '.repeat(60)}🚂`;

let web: WebHouse;
let ada: SignedIn;
let scene: Scene;
let held: Scene;
before(async () => {
    web = await WebHouse.open({ settings: { github_minute_ms: '1000' } });
    ada = await web.house.welcome('ada');
    const { house } = web;
    await house.sim.script({ conclusion: 'success' });
    await house.sim.script({
        match: { workflow: 'plan.yaml', component: 'component-1', stack: 'plat-000' },
        conclusion: 'failure',
        count: 1,
    });
    scene = await pullScene(house, many(4, 2), { title: hostile });
    await until(house, scene, 4, 'success', 'failure', 'skipped');
    held = await pullScene(house, many(6, 3), {
        name: 'platform',
        head: 'one-line',
        title: 'One line in a module',
        settings: { threshold_hold: true, threshold: 5 },
    });
});
after(() => web.closeContent());

const table = (tab: Tab, name: string) => tab.page.getByRole('table', { name });
const rowsOf = (tab: Tab, name: string) =>
    table(tab, name)
        .getByRole('row')
        .filter({ has: tab.page.getByRole('cell') });

test('home names what needs somebody; a held batch is released from its row, and its row goes', async () => {
    const tab = await web.tab(ada);
    await tab.go('/');
    const needs = tab.page.getByRole('region', { name: /^Needs you/ });
    await needs.getByText('One line in a module').waitFor();
    await needs.getByText(/6 stacks, the threshold is 5/).waitFor();
    await needs.getByText('1 of 4 failed').waitFor();
    await tab.page
        .getByRole('region', { name: 'Last events' })
        .getByRole('listitem')
        .first()
        .waitFor();
    await tab.axe('Now');
    await needs.getByRole('button', { name: 'Release' }).click();
    const dialog = tab.page.getByRole('dialog', { name: 'Let this batch go?' });
    await dialog.getByText('6 runs are dispatched, in their order.').waitFor();
    await dialog.getByRole('button', { name: 'Release' }).click();
    await needs.getByText('One line in a module').waitFor({ state: 'detached' });
    await until(web.house, held, 6, 'success');
    await tab.close();
});

test('home sends what failed again, and is calm when all is done', async () => {
    const tab = await web.tab(ada);
    await tab.go('/');
    const needs = tab.page.getByRole('region', { name: /^Needs you/ });
    await needs.getByRole('button', { name: 'Retry' }).click();
    await tab.page.getByRole('dialog').getByRole('button', { name: 'Retry' }).click();
    await until(web.house, scene, 4, 'success');
    await tab.page.getByText(/Nothing waits for you\. The last event came/).waitFor();
    await tab.close();
});

test('deployments: a row a run; filters stay in the address, over a reload and into the window of another', async () => {
    const tab = await web.tab(ada);
    await tab.go('/deployments');
    await rowsOf(tab, 'Deployments').filter({ hasText: 'component-1' }).first().waitFor();
    await tab.axe('Deployments');
    await tab.page.getByRole('button', { name: 'Status' }).click();
    await tab.page.getByRole('menuitemcheckbox', { name: 'failed' }).click();
    await tab.page.keyboard.press('Escape');
    const failed = rowsOf(tab, 'Deployments').filter({ hasText: 'failed' });
    await rowsOf(tab, 'Deployments')
        .filter({ hasText: 'done' })
        .first()
        .waitFor({ state: 'detached' });
    assert.equal(await failed.count(), 1);
    await tab.page.getByRole('textbox', { name: 'Stack', exact: true }).fill('plat-00*');
    await tab.page.waitForURL(/stack=plat-00/);
    await tab.page.waitForURL(/state=failure/);
    await tab.page.reload();
    await failed.waitFor();
    assert.equal(await rowsOf(tab, 'Deployments').filter({ hasText: 'done' }).count(), 0);
    assert.equal(
        await tab.page.getByRole('textbox', { name: 'Stack', exact: true }).inputValue(),
        'plat-00*',
    );

    const other = await web.tab(ada);
    await other.page.goto(tab.page.url());
    await rowsOf(other, 'Deployments').filter({ hasText: 'failed' }).waitFor();
    await other.close();

    await tab.page.getByRole('textbox', { name: 'Component', exact: true }).fill('nothing-like-it');
    await tab.sees('No run is like this');
    await tab.axe('Deployments without any');
    await tab.page.getByRole('button', { name: 'Clear' }).first().click();
    await rowsOf(tab, 'Deployments').filter({ hasText: 'done' }).first().waitFor();
    assert.equal(new URL(tab.page.url()).search, '');
    await tab.close();
});

test('deployments: j and k walk the rows, Enter opens the node; names of others stay text', async () => {
    const tab = await web.tab(ada);
    await tab.go('/deployments?repo=acme%2Finfra');
    await rowsOf(tab, 'Deployments').filter({ hasText: 'component-0' }).first().waitFor();
    await tab.sees('<script>window.hit=1</script>');
    await tab.sees('U+202E');
    assert.equal(await tab.page.evaluate(() => 'hit' in globalThis), false);
    for (const key of ['j', 'j', 'k']) await tab.page.keyboard.press(key);
    await tab.page.waitForFunction(() => document.activeElement?.closest('[role="row"]') !== null);
    const text = await tab.page.evaluate(() => document.activeElement!.textContent);
    assert.match(text ?? '', /^component-\d$/);
    await tab.page.keyboard.press('Enter');
    await tab.page.waitForURL(new RegExp(`${scene.path}\\?node=\\d`));
    await tab.close();
});

test('deployments: what comes while somebody reads further down waits behind a pill', async () => {
    const tab = await web.tab(ada, { height: 420 });
    await tab.go('/deployments');
    await rowsOf(tab, 'Deployments').first().waitFor();
    const place = table(tab, 'Deployments');
    await place.evaluate((box) => box.scrollTo({ top: 150 }));
    await eventually(async () => assert.equal(await place.evaluate((box) => box.scrollTop), 150));
    const top = () =>
        place.evaluate((box) => {
            const from = box.getBoundingClientRect().top + 40;
            return [...box.querySelectorAll('[role="row"][data-index]')].find(
                (row) => row.getBoundingClientRect().top >= from,
            )?.textContent;
        });
    const before = (await top())?.slice(0, 40);
    const next = await pullScene(web.house, many(2, 2), { repo: scene.repo, head: 'next' });
    await until(web.house, next, 2, 'success');
    await tab.page.getByRole('button', { name: '2 newer' }).waitFor();
    assert.equal((await top())?.slice(0, 40), before, 'nothing moved');
    await tab.page.getByRole('button', { name: '2 newer' }).click();
    await tab.page.getByRole('button', { name: /newer/ }).waitFor({ state: 'detached' });
    await eventually(async () => assert.equal(await place.evaluate((box) => box.scrollTop), 0));
    await tab.close();
});

test('instances: found by their names; the page of one says what it stands on, and locks it', async () => {
    const tab = await web.tab(ada);
    await tab.go('/instances?stack=plat-001');
    await rowsOf(tab, 'Instances').filter({ hasText: 'component-1' }).first().waitFor();
    assert.equal(await rowsOf(tab, 'Instances').filter({ hasText: 'plat-000' }).count(), 0);
    await tab.axe('Instances');
    await rowsOf(tab, 'Instances')
        .filter({ hasText: 'acme/infra' })
        .getByRole('link', { name: 'component-1', exact: true })
        .click();
    await tab.page.getByRole('heading', { level: 1, name: 'component-1 in plat-001' }).waitFor();
    await rowsOf(tab, 'Runs of this instance').first().waitFor();
    await tab.page
        .getByRole('region', { name: 'Stands on' })
        .getByRole('link', { name: 'component-0' })
        .waitFor();
    await tab.axe('Instance');
    await tab.page.getByRole('button', { name: 'Lock it' }).click();
    const dialog = tab.page.getByRole('dialog', { name: 'Take a lock' });
    await dialog.getByRole('textbox', { name: 'Why' }).fill('its state is repaired');
    await dialog.getByRole('button', { name: 'Take the lock' }).click();
    await dialog.waitFor({ state: 'detached' });
    await tab.page.getByText('its state is repaired').first().waitFor();
    await tab.page.getByRole('button', { name: 'Unlock' }).waitFor();
    await tab.close();
});

test('an instance that ran more than once shows how long that took, drawn and in words', async () => {
    const tab = await web.tab(ada);
    await tab.go(`/instances/${scene.repo.lane}/plat-000/component-1`);
    await rowsOf(tab, 'Runs of this instance').nth(1).waitFor();
    const chart = tab.page.getByRole('img', { name: /^How long runs took: \d+ of plan took / });
    await chart.locator('canvas').waitFor();
    await tab.axe('Instance with a chart');
    await tab.close();
});
