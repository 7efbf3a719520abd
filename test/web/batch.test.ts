/* The batch page: held, released, failed, retried, done; who may; two thousand nodes; names of people who mean harm. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, type Browser as SignedIn, type Value } from '../api/house.ts';
import { WebHouse, type Tab } from './house.ts';
import { many, nodeOf, nodesOf, platform, pullScene, report, until, type Scene } from './scenes.ts';

let web: WebHouse;
let ada: SignedIn;
before(async () => {
    web = await WebHouse.open();
    ada = await web.house.welcome('ada');
    await web.house.sim.script({ conclusion: 'success', queueMs: 20, runMs: 150 });
});
after(() => web.closeContent());

const threshold = { threshold_hold: true, threshold: 1 };
const rows = (tab: Tab) => tab.page.getByRole('table', { name: 'Nodes by level' });
const panel = (tab: Tab) => tab.page.getByRole('complementary', { name: 'Node' });
const count = (tab: Tab, name: RegExp) =>
    tab.page.getByRole('region', { name: 'Progress' }).getByRole('button', { name });
const heading = (tab: Tab, name: string | RegExp) =>
    tab.page.getByRole('heading', { level: 1, name });

async function opened(scene: Scene, query = '', who: SignedIn = ada): Promise<Tab> {
    const tab = await web.tab(who);
    await tab.go(scene.path + query);
    await tab.page.getByRole('heading', { level: 1 }).waitFor();
    return tab;
}

/** So that a page that was loaded anew, or that another page took the place of, is known by its lack. */
async function mark(tab: Tab): Promise<void> {
    await tab.page.evaluate(() => Object.assign(window, { sameDocument: true }));
}
async function isMarked(tab: Tab): Promise<boolean> {
    return tab.page.evaluate(() => 'sameDocument' in window);
}

test('held, released by a click, a failure, a retry, done: without loading the page again', async () => {
    const { house } = web;
    const failing = { component: 'data/postgres', stack: 'plat-use1-dev' };
    await house.sim.script({ match: failing, conclusion: 'failure', count: 1, runMs: 50 });
    const scene = await pullScene(house, platform('dev'), {
        name: 'story',
        settings: { threshold_hold: true, threshold: 5 },
    });
    const tab = await opened(scene);
    await mark(tab);

    const hold = tab.page.getByRole('region', { name: 'Held' });
    await hold.getByText('Would dispatch 8 stacks, the threshold is 5.').waitFor();
    await hold.getByText('All 8 runs are dispatched').waitFor();
    await count(tab, /8 waiting/).waitFor();
    await tab.axe('a batch that is held');
    assert.equal((await house.sim.runs(scene.repo.full_name)).length, 0);

    await hold.getByRole('button', { name: 'Dispatch all 8 stacks anyway' }).click();
    await tab.page.getByText('Confirmed').waitFor();
    await hold.waitFor({ state: 'detached' });
    await tab.page.getByRole('list', { name: 'Released by' }).getByText('ada').waitFor();

    await count(tab, /7 done/).waitFor();
    const failures = tab.page.getByRole('region', { name: '1 failed' });
    await failures.getByRole('link', { name: 'data/postgres' }).waitFor();
    const log = `\u001b[1mplan\u001b[0m\n\u001b[31mError: no such version\u001b[0m <b>bold?</b>\n`;
    const changes = [{ action: 'create', address: 'aws_db_instance.main' }];
    await report(house, scene, await nodeOf(house, scene, 'data/postgres'), log, changes);

    await tab.page.keyboard.press('f');
    await panel(tab)
        .getByRole('heading', { name: /data\/postgres in plat-use1-dev/ })
        .waitFor();
    assert.match(tab.page.url(), /\?node=\d+$/);
    await panel(tab)
        .getByText(/data\/postgres in plat-use1-dev failed at/)
        .waitFor();
    const output = panel(tab).getByLabel('Output of attempt 1');
    await output.getByText('<b>bold?</b>').waitFor();
    assert.match(
        await output
            .getByText('Error: no such version')
            .evaluate((one) => getComputedStyle(one).color),
        /^rgb\(255,/,
    );
    await panel(tab).getByText('aws_db_instance.main').waitFor();
    await tab.axe('a node that failed');

    await panel(tab).getByRole('button', { name: 'Retry' }).click();
    await panel(tab).getByRole('button', { name: 'Attempt 2' }).waitFor();
    await panel(tab).getByRole('button', { name: 'Attempt 1' }).waitFor();
    await count(tab, /8 done/).waitFor();
    await failures.waitFor({ state: 'detached' });
    await tab.page.locator('.page-head').getByText('done', { exact: true }).waitFor();
    assert.equal(await isMarked(tab), true);
    await tab.page.keyboard.press('Escape');
    await panel(tab).waitFor({ state: 'detached' });
    await tab.close();
});

test('a member who may not write sees what is held, and no button; the API refuses them all the same', async () => {
    const { house } = web;
    const scene = await pullScene(house, platform('dev'), { name: 'rights', settings: threshold });
    const tab = await opened(scene, '?node=0', await member('bea'));
    const hold = tab.page.getByRole('region', { name: 'Held' });
    await hold.getByText('Would dispatch 8 stacks, the threshold is 1.').waitFor();
    await panel(tab)
        .getByText(/waits for its batch|the batch is held|Held/i)
        .first()
        .waitFor();
    for (const name of [/Dispatch/, /Cancel/, /Retry/, /Skip/])
        assert.equal(await tab.page.getByRole('button', { name }).count(), 0, String(name));
    tab.allow(/403/);
    const refused = await tab.page.evaluate(async (path) => {
        const me = (await (await fetch('/api/v1/session')).json()) as { data: { csrf: string } };
        const headers = { 'x-signalbox-csrf': me.data.csrf };
        const answers = ['release', 'cancel', 'retry', 'nodes/0/rerun'].map((act) =>
            fetch(`/api/v1${path}/${act}`, { method: 'POST', headers }),
        );
        return (await Promise.all(answers)).map((answer) => answer.status);
    }, scene.path);
    assert.deepEqual(refused, [403, 403, 403, 403]);
    assert.equal((await house.sim.runs(scene.repo.full_name)).length, 0);
    await tab.close();
});

/** Somebody with a local account who is no admin. */
async function member(name: string): Promise<SignedIn> {
    const { data } = await web.house.ok(
        'POST',
        '/api/v1/invitations',
        { role: 'member' },
        { isSecret: true },
    );
    return web.house.welcome(name, String(data['url']).split('#code=')[1]);
}

async function aMemberSeesNoWayToSkip(scene: Scene): Promise<void> {
    const { house } = web;
    const node = await nodeOf(house, scene, 'network/vpc');
    const at = `/nodes/${String(node['position'])}`;
    const tab = await opened(scene, `?node=${String(node['position'])}`, await member('cleo'));
    await panel(tab).getByText('“moving the state”', { exact: true }).waitFor();
    assert.equal(await tab.page.getByRole('button', { name: /Skip|Unlock/ }).count(), 0);
    tab.allow(/403/);
    const lock = (await house.ok('GET', `/api/v1${scene.path}${at}`)).data['lock'] as Value;
    const status = await tab.page.evaluate(
        async ([path, token]) => {
            const me = (await (await fetch('/api/v1/session')).json()) as { data: { csrf: string } };
            const headers = { 'x-signalbox-csrf': me.data.csrf, 'content-type': 'application/json' };
            const body = JSON.stringify({ token });
            return (await fetch(path, { method: 'POST', headers, body })).status;
        },
        [`/api/v1${scene.path}${at}/skip-wait`, Number(lock['token'])] as const,
    );
    assert.equal(status, 403);
    assert.equal((await nodeOf(house, scene, 'network/vpc'))['state'], 'locked');
    await tab.close();
}

test('what waits leads to what it waits for, down to the lock that somebody holds; who may skips the wait, and it goes', async () => {
    const { house } = web;
    const lock = { ttl: 3600, message: 'moving the state' };
    await house.ok('POST', '/api/v1/locks', {
        key: 'acme/locked/plat-use1-dev/network/vpc',
        ...lock,
    });
    const scene = await pullScene(house, platform('dev'), { name: 'locked' });
    await until(house, scene, 1, 'locked');
    const waiting = await nodeOf(house, scene, 'data/postgres');
    const tab = await opened(scene, `?node=${String(waiting['position'])}`);
    await mark(tab);
    await tab.page
        .getByRole('region', { name: 'What it waits for' })
        .getByText(/network\/vpc in plat-use1-dev is locked by .*moving the state/)
        .waitFor();
    await panel(tab)
        .getByText(/waits for network\/vpc in plat-use1-dev, locked by/)
        .waitFor();
    await panel(tab).getByRole('link', { name: 'show it' }).first().click();
    await panel(tab)
        .getByRole('heading', { name: /network\/vpc in/ })
        .waitFor();
    await panel(tab).getByText('“moving the state”', { exact: true }).waitFor();
    await panel(tab)
        .getByText(/^Held by .*ends in \d+ min/)
        .waitFor();
    await tab.axe('a node that is locked');
    await aMemberSeesNoWayToSkip(scene);
    await panel(tab).getByRole('button', { name: 'Skip the wait' }).click();
    const sure = tab.page.getByRole('dialog', { name: 'Skip the wait?' });
    await sure.getByText(/holds the lock that this node waits for: “moving the state”/).waitFor();
    await sure.getByText(/so this lock ends/).waitFor();
    await tab.axe('skipping the wait for a lock');
    await sure.getByRole('button', { name: 'End the lock and go on' }).click();
    await tab.page.getByText('The lock has ended: it goes on.').waitFor();
    await count(tab, /8 done/).waitFor();
    await panel(tab)
        .getByText(/did not wait for a lock: ada skipped that at .* and ended the lock by/)
        .waitFor();
    await panel(tab).getByRole('button', { name: 'Skip the wait' }).waitFor({ state: 'detached' });
    assert.equal(await isMarked(tab), true);
    assert.deepEqual(await house.all('/api/v1/locks?prefix=acme/locked/'), []);
    await tab.go('/audit?action=node.wait_skipped');
    await tab.page
        .getByText(/network\/vpc in plat-use1-dev: ended the lock by .*: moving the state/)
        .first()
        .waitFor();
    await tab.close();
});

test('cancelled: it asks first, then says what happened and what can be done', async () => {
    const { house } = web;
    const scene = await pullScene(house, platform('dev'), {
        name: 'cancelled',
        settings: threshold,
    });
    const tab = await opened(scene);
    await tab.page.getByRole('button', { name: 'Cancel', exact: true }).click();
    const dialog = tab.page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Leave it' }).click();
    await dialog.waitFor({ state: 'detached' });
    await tab.page.getByRole('button', { name: 'Cancel', exact: true }).click();
    await dialog.getByRole('button', { name: 'Cancel the batch' }).click();
    await tab.page
        .getByRole('region', { name: 'Cancelled' })
        .getByText('Run single nodes again')
        .waitFor();
    await count(tab, /8 cancelled/).waitFor();
    await tab.axe('a batch that was cancelled');
    await tab.close();
});

test('one node is cancelled while the others go on', async () => {
    const { house } = web;
    const match = { component: 'network/dns', stack: 'plat-use1-stop' };
    await house.sim.script({ match, conclusion: 'success', runMs: 3_600_000, count: 1 });
    const scene = await pullScene(house, platform('stop'), { name: 'stopped' });
    const dns = await eventually(async () => {
        const node = await nodeOf(house, scene, 'network/dns');
        assert.equal(node['state'], 'running');
        return node;
    });
    const tab = await opened(scene, `?node=${String(dns['position'])}`);
    await panel(tab).getByRole('button', { name: 'Cancel' }).click();
    await tab.page.getByRole('dialog').getByRole('button', { name: 'Cancel the node' }).click();
    await count(tab, /7 done/).waitFor();
    await count(tab, /1 cancelled/).waitFor();
    await panel(tab).getByRole('button', { name: 'Retry' }).click();
    await count(tab, /8 done/).waitFor();
    await tab.close();
});

test('a newer head, a loop: each says plainly what happened', async () => {
    const { house } = web;
    const old = await pullScene(house, platform('dev'), { name: 'newer', settings: threshold });
    await house.sim.pushToPull(old.repo.full_name, old.pull.number, { 'b.tf': '#' });
    const tab = await opened(old);
    await tab.page.getByRole('region', { name: 'A newer head took its place' }).waitFor();
    await tab.axe('a batch that was superseded');

    const leaf = (component: string, dependents: Value[]): Value => ({
        component,
        stack: 'plat-use1-dev',
        component_type: '',
        component_path: '',
        stack_slug: '',
        included_in_dependents: false,
        settings: loopSettings(component),
        dependents,
    });
    const loop = await pullScene(house, [], {
        name: 'loop',
        stacks: [leaf('egg', [leaf('hen', [leaf('egg', [])])])],
    });
    await tab.go(loop.path);
    await tab.page.getByRole('region', { name: 'This batch could not be planned' }).waitFor();
    await tab.page
        .getByText(/egg.*hen|hen.*egg/)
        .first()
        .waitFor();
    await tab.axe('a batch with a loop');

    await tab.close();
});

function loopSettings(component: string): Value {
    const inputs = { component, stack: 'plat-use1-dev' };
    const plan = { workflows: { 'plan.yaml': { inputs } } };
    return { pro: { enabled: true, pull_request: { opened: plan } } };
}

test('the graph opens on the chosen node and two steps round it, can show all, folds, and is a list, too', async () => {
    const { house } = web;
    const parts = [...platform('dev'), ...platform('prod')];
    const scene = await pullScene(house, parts, { name: 'graph', settings: threshold });
    const nodes = await nodesOf(house, scene);
    const vpc = nodes.find(
        (one) => one['component'] === 'network/vpc' && one['stack'] === 'plat-use1-dev',
    )!;
    const tab = await opened(scene, `?view=graph&node=${String(vpc['position'])}`);
    const boxes = tab.page.locator('.react-flow__node');
    await boxes.first().waitFor();
    // network/vpc, cluster and postgres, then karpenter, ingress and api; not web, which is three steps away.
    assert.equal(await boxes.count(), 6);
    await tab.axe('the graph');
    await tab.page.getByRole('button', { name: 'eks/cluster' }).click();
    await panel(tab)
        .getByRole('heading', { name: /eks\/cluster in/ })
        .waitFor();
    await tab.page.getByRole('button', { name: 'apps/web' }).waitFor();
    await tab.page.keyboard.press('ArrowLeft');
    await panel(tab)
        .getByRole('heading', { name: /network\/vpc in/ })
        .waitFor();
    await tab.page.getByText('What waits for it', { exact: true }).click();
    await boxes.nth(6).waitFor();
    assert.equal(await boxes.count(), 7);
    await tab.page.getByText('All', { exact: true }).click();
    await boxes.nth(15).waitFor();
    assert.ok((await tab.page.locator('.edge-critical').count()) >= 3);

    const before = await places(tab);
    await tab.page.getByRole('button', { name: 'Dispatch all 16 stacks anyway' }).click();
    await count(tab, /16 done/).waitFor();
    assert.deepEqual(await places(tab), before, 'nothing moves when states do');

    await tab.page.getByRole('button', { name: 'As a list' }).click();
    const list = tab.page.getByRole('region', { name: 'The graph as a list' });
    await list
        .getByRole('listitem')
        .filter({ hasText: 'apps/web' })
        .first()
        .getByText(/waits for/)
        .waitFor();
    await tab.axe('the graph as a list');
    await tab.page.getByRole('button', { name: 'As a list' }).click();

    await tab.go(`${scene.path}?view=graph&fold=stack`);
    await boxes.first().waitFor();
    assert.equal(await boxes.count(), 2);
    await tab.page.getByRole('button', { name: /plat-use1-dev/ }).click();
    await boxes.nth(8).waitFor();
    await tab.close();
});

/** Where boxes stand, by what they name. */
async function places(tab: Tab): Promise<string[]> {
    return tab.page
        .locator('.react-flow__node')
        .evaluateAll((all) =>
            all
                .map(
                    (one) =>
                        `${one.getAttribute('data-id')} ${(one as HTMLElement).style.transform}`,
                )
                .sort(),
        );
}

test('a waterfall shows when each ran', async () => {
    const { house } = web;
    const scene = await pullScene(house, platform('dev'), { name: 'waterfall' });
    await until(house, scene, 8, 'success');
    const tab = await opened(scene, '?view=waterfall');
    const table = tab.page.getByRole('table', { name: 'Nodes over time' });
    await table.getByRole('link', { name: 'apps/web' }).waitFor();
    await table
        .getByRole('cell', { name: /done; began .* took/ })
        .first()
        .waitFor();
    await tab.axe('the waterfall');
    await tab.close();
});

test('two thousand nodes: only what is in sight exists; filters stand in the address; keys lead through', async () => {
    const { house } = web;
    const scene = await pullScene(house, many(2_000), { name: 'large', settings: threshold });
    const tab = await web.tab(ada);
    await tab.go(scene.path);
    await rows(tab).getByRole('link', { name: 'component-0', exact: true }).first().waitFor();
    const usable_ms = await tab.page.evaluate(() => Math.round(performance.now()));
    console.log(`# a batch of 2,000 nodes was usable after ${usable_ms} ms`);
    assert.ok(usable_ms < 20_000, `${usable_ms} ms`);
    assert.ok((await rows(tab).getByRole('row').count()) < 100);
    await mark(tab);

    await tab.page.keyboard.press('/');
    await tab.page.keyboard.type('component-39 plat-01');
    await tab.sees('10 of 2,000');
    assert.match(tab.page.url(), /q=component-39/);
    await tab.page.keyboard.press('Escape');
    await tab.page.getByRole('button', { name: 'show all' }).waitFor({ state: 'detached' });
    for (const index of [1, 2]) {
        await tab.page.keyboard.press('j');
        await rows(tab).locator(`[data-index="${index}"] a:focus`).waitFor();
    }
    await tab.page.keyboard.press('Enter');
    await panel(tab)
        .getByRole('heading', { name: /component-0 in plat-001/ })
        .waitFor();
    assert.equal(await isMarked(tab), true);
    await tab.axe('a large batch');
    await tab.page.goBack();
    await panel(tab).waitFor({ state: 'detached' });
    await tab.go(`${scene.path}?view=graph`);
    await tab.page.locator('.react-flow__node').first().waitFor();
    assert.equal(await tab.page.locator('.react-flow__node').count(), 50);
    await tab.close();
});

test('names that mean harm are text: markup, marks that turn text about, 300 letters, emoji', async () => {
    const { house } = web;
    const script = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>';
    const turned = 'vpc\u202egpj.exe';
    const long = `long-${'x'.repeat(290)}`;
    const parts = [script, turned, long, '🚀 launch', 'عربي'].map((component) => ({
        component,
        stack: `${component.slice(0, 40)} stack`,
    }));
    const scene = await pullScene(house, parts, {
        name: 'hostile',
        title: `${script} \u202eevil\u202c ${'t'.repeat(180)}`,
        settings: threshold,
    });
    const tab = await opened(scene);
    for (const name of ['<img src=x', 'U+202E', '🚀 launch', 'عربي', 'long-xxx'])
        await rows(tab).getByText(name).first().waitFor();
    await heading(tab, /<img src=x onerror/).waitFor();
    const nodes = await nodesOf(house, scene);
    for (const view of ['table', 'graph', 'waterfall'])
        for (const node of nodes) {
            await tab.go(`${scene.path}?view=${view}&node=${String(node['position'])}`);
            await panel(tab).getByText('Dispatched as').waitFor();
        }
    await tab.axe('names that mean harm');
    const found = await tab.page.evaluate(() => ({
        isHurt: 'hurt' in window,
        images: document.images.length,
        wide: document.documentElement.scrollWidth - window.innerWidth,
    }));
    assert.deepEqual(found, { isHurt: false, images: 0, wide: 0 });
    await tab.close();
});

test('links to a change and to a run lead to the batch', async () => {
    const { house } = web;
    const scene = await pullScene(house, [{ component: 'dns', stack: 'dev' }], { name: 'links' });
    await until(house, scene, 1, 'success');
    const { data } = await house.ok('GET', `/api/v1/batches/${scene.batchId}`);
    const tab = await web.tab(ada);
    await tab.go(`/changes/${String(data['change'].id)}`);
    await tab.page.waitForURL(`**${scene.path}`);
    await count(tab, /1 done/).waitFor();
    const node = await nodeOf(house, scene, 'dns');
    await tab.go(`/runs/${String(node['runId'])}`);
    await tab.page.waitForURL(`**${scene.path}?node=0`);
    await panel(tab).getByText('Attempt 1').waitFor();

    tab.allow(/404/);
    await tab.go('/changes/999999');
    await tab.sees('This change could not be read');
    await tab.go('/batches/batch_nothing');
    await tab.sees('This batch could not be read');
    await tab.axe('a batch that is not there');
    await tab.close();
});
