/* What changes is drawn without a reload: by the stream, after a break of it, and without one. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, type Browser as SignedIn } from '../api/house.ts';
import { WebHouse, type Tab } from './house.ts';

let web: WebHouse;
let ada: SignedIn;
before(async () => {
    web = await WebHouse.open();
    ada = await web.house.welcome('ada');
});
after(() => web.closeContent());

const lock = (key: string) =>
    web.house.ok('POST', '/api/v1/locks', { key, ttl: 3600, message: 'shown' });
/** Set once; a reload would forget it. */
const mark = (tab: Tab) =>
    tab.page.evaluate(() => void Object.assign(window, { isSamePage: true }));
const isSamePage = (tab: Tab) => tab.page.evaluate(() => 'isSamePage' in window);
const connection = (tab: Tab) => tab.page.getByRole('navigation').getByRole('status');

test('a change is drawn as soon as it is stored', async () => {
    const tab = await web.tab(ada);
    await tab.go('/locks');
    await mark(tab);
    await connection(tab).waitFor({ state: 'detached' });
    for (const key of ['one', 'two', 'three']) {
        await lock(`live/${key}`);
        await tab.page.getByText(`live/${key}`).first().waitFor();
    }
    assert.ok(await isSamePage(tab));
    await tab.close();
});

test('a server that starts again is found again, and nothing is missed', async () => {
    const tab = await web.tab(ada);
    tab.allow(/Failed to load resource/, /ERR_/);
    await tab.go('/locks');
    await mark(tab);
    await connection(tab).waitFor({ state: 'detached' });
    await web.house.server.kill();
    await tab.page.getByText('Connecting…').or(tab.page.getByText('Not live')).first().waitFor();
    await web.house.server.start();
    await lock('live/while it was away');
    await tab.page.getByText('live/while it was away').first().waitFor();
    await connection(tab).waitFor({ state: 'detached' });
    await lock('live/afterwards');
    await tab.page.getByText('live/afterwards').first().waitFor();
    assert.ok(await isSamePage(tab));
    await tab.close();
});

test('without a stream the page asks, and says so', async () => {
    const tab = await web.tab(ada);
    tab.allow(/api\/v1\/live/);
    await tab.page.route('**/api/v1/live*', (route) => route.abort());
    await tab.go('/locks');
    await mark(tab);
    await tab.page.getByText('Not live').waitFor();
    await lock('live/by asking');
    await tab.page.getByText('live/by asking').first().waitFor();
    assert.ok(await isSamePage(tab));
    await tab.close();
});

test('a tab has one stream, also after many pages', async () => {
    const tab = await web.tab(ada);
    let opened = 0;
    tab.page.on('request', (request) => {
        if (request.url().includes('/api/v1/live')) opened++;
    });
    await tab.go('/locks');
    await eventually(async () => assert.equal(opened, 1));
    for (const name of ['Deployments', 'Instances', 'Repositories', 'Locks', 'Now'])
        await tab.page.getByRole('navigation').getByRole('link', { name }).click();
    await tab.page.getByRole('heading', { level: 1, name: 'Now' }).waitFor();
    assert.equal(opened, 1);
    await tab.close();
});
