/* Every page there is: it opens by its address, says where one is, can be used by keyboard and by those who see or hear otherwise. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser as SignedIn } from '../api/house.ts';
import { WebHouse, type Tab } from './house.ts';

interface Row {
    path: string;
    /** The heading; the tab's name begins with it. */
    title: string;
    /** The letter after `g`. */
    key?: string;
}

const pages: Row[] = [
    { path: '/', title: 'Now', key: 'n' },
    { path: '/deployments', title: 'Deployments', key: 'd' },
    { path: '/instances', title: 'Instances', key: 'i' },
    { path: '/repositories', title: 'Repositories', key: 'r' },
    { path: '/locks', title: 'Locks', key: 'l' },
    { path: '/budget', title: 'Budget', key: 'b' },
    { path: '/audit', title: 'Audit log', key: 'a' },
    { path: '/members', title: 'Members', key: 'm' },
    { path: '/tokens', title: 'Tokens', key: 't' },
    { path: '/start', title: 'Set-up', key: 's' },
    { path: '/account', title: 'Your account', key: 'u' },
];

let web: WebHouse;
let ada: SignedIn;
before(async () => {
    web = await WebHouse.open();
    ada = await web.house.welcome('Ada Lovelace');
});
after(() => web.closeContent());

const heading = (tab: Tab, title: string) =>
    tab.page.getByRole('heading', { level: 1, name: title, exact: true });

for (const scheme of ['light', 'dark'] as const)
    test(`of an empty installation, in ${scheme}, no page has a serious issue`, async () => {
        const tab = await web.tab(ada, { scheme });
        for (const { path, title } of pages) {
            await tab.go(path);
            await heading(tab, title).waitFor();
            await tab.page
                .getByRole('status')
                .filter({ hasText: 'Reading' })
                .waitFor({ state: 'detached' });
            await tab.axe(`${path} in ${scheme}`);
        }
        await tab.close();
    });

test('the keys g and a letter go to each page, and its name stands in the tab and in the column', async () => {
    const tab = await web.tab(ada);
    await tab.go('/tokens');
    await heading(tab, 'Tokens').waitFor();
    for (const { path, title, key } of pages.filter((row) => row.path !== '/tokens')) {
        await tab.page.keyboard.press('g');
        await tab.page.keyboard.press(key!);
        await heading(tab, title).waitFor();
        assert.equal(new URL(tab.page.url()).pathname, path);
        await tab.page.waitForFunction((name) => document.title.startsWith(name), title);
    }
    await tab.close();
});

test('without a mouse: past the column, into the page, through the palette, to the list of keys', async () => {
    const tab = await web.tab(ada);
    const { page } = tab;
    await tab.go('/tokens');
    await heading(tab, 'Tokens').waitFor();
    await page.keyboard.press('Tab');
    assert.equal(
        await page.evaluate(() => document.activeElement?.textContent),
        'Skip to the page',
    );
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'New token');
    await page.keyboard.press('Control+k');
    await page.getByPlaceholder('Find a page or an act').fill('invite');
    await page.getByText('Nothing of that name').waitFor();
    await page.getByPlaceholder('Find a page or an act').fill('memb');
    await page.keyboard.press('Enter');
    await heading(tab, 'Members').waitFor();
    await page.getByPlaceholder('Find a page or an act').waitFor({ state: 'detached' });
    await page.keyboard.press('Control+k');
    await page.getByPlaceholder('Find a page or an act').fill('invite');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'Invite somebody' }).waitFor();
    await tab.axe('a dialog');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    await tab.axe('the list of keys');
    await page.getByLabel('Keys without Ctrl do something').click();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.keyboard.press('?');
    await page.keyboard.press('Control+k');
    await page.getByPlaceholder('Find a page or an act').waitFor();
    assert.equal(
        await page.getByRole('dialog', { name: 'Keys' }).count(),
        0,
        'the keys are turned off',
    );
    await tab.close();
});

test('light and dark as the system, or as one chooses; the choice stays', async () => {
    const tab = await web.tab(ada, { scheme: 'dark' });
    const scheme = () => tab.page.locator('html').getAttribute('data-mantine-color-scheme');
    await tab.go('/account');
    await heading(tab, 'Your account').waitFor();
    assert.equal(await scheme(), 'dark');
    await tab.page.getByRole('button', { name: /account and appearance/ }).click();
    await tab.page.getByRole('menuitem', { name: 'Light' }).click();
    assert.equal(await scheme(), 'light');
    await tab.go('/account');
    await heading(tab, 'Your account').waitFor();
    assert.equal(await scheme(), 'light');
    await tab.close();
});

test('an address of nothing says so, with its status, and shows the way out', async () => {
    const tab = await web.tab(ada);
    tab.allow(/404/);
    const answer = await tab.page.goto(`${web.url}/no/such/page`);
    assert.equal(answer?.status(), 404);
    await tab.sees('There is no such page');
    await tab.axe('not found');
    await tab.page.getByRole('link', { name: 'See what is happening now' }).click();
    await heading(tab, 'Now').waitFor();
    await tab.close();
});

test('on a phone the column is behind a button, and nothing is wider than the screen', async () => {
    const tab = await web.tab(ada, { width: 390, height: 800 });
    for (const { path, title } of pages) {
        await tab.go(path);
        await heading(tab, title).waitFor();
        const wide = await tab.page.evaluate(
            () => document.documentElement.scrollWidth - window.innerWidth,
        );
        assert.ok(wide <= 0, `${path} is ${wide} px too wide`);
    }
    await tab.page.getByRole('button', { name: 'Pages' }).click();
    await tab.page.getByRole('link', { name: 'Locks' }).click();
    await heading(tab, 'Locks').waitFor();
    await tab.close();
});
