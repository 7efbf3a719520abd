/* Every page with something on it, and names on it that mean harm: usable by all, in both schemes, and on a phone. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser as SignedIn } from '../api/house.ts';
import { WebHouse, type Tab } from './house.ts';
import { nodeOf, pullScene, report, until, type Scene } from './scenes.ts';

const markup = '<script>document.title="taken"</script>';
const turned = 'evil\u202etxt.exe';
const long = 'long-'.repeat(50);

let web: WebHouse;
let ada: SignedIn;
let scene: Scene;
let position = 0;
before(async () => {
    web = await WebHouse.open();
    const { house } = web;
    ada = await house.welcome('Ada Lovelace');
    await house.sim.script({ conclusion: 'success', queueMs: 0, runMs: 20 });
    await house.sim.script({
        match: { component: 'data/postgres' },
        conclusion: 'failure',
        queueMs: 0,
        runMs: 20,
    });
    const stack = 'plat-use1-prod';
    const parts = [
        { component: 'network/vpc', stack },
        { component: 'data/postgres', stack, after: ['network/vpc'] },
        { component: 'apps/api', stack, after: ['data/postgres'] },
        { component: long, stack },
        { component: turned, stack },
    ];
    scene = await pullScene(house, parts, { title: `A title with ${markup}` });
    await until(house, scene, 1, 'failure');
    const failed = await nodeOf(house, scene, 'data/postgres');
    position = failed['position'] as number;
    await report(house, scene, failed, `\u001b[31m╷ Error:\u001b[0m ${markup}\n`, [
        { action: 'create', address: 'aws_db_instance.main' },
    ]);
    await house.ok('POST', '/api/v1/locks', {
        key: 'acme/infra/plat-use1-prod/network/vpc',
        ttl: 3600,
        message: markup,
    });
    const token = await house.session(scene.repo);
    const instances = parts.map(({ component }) => ({
        component,
        stack,
        component_type: 'terraform',
        settings: {},
    }));
    await house.ok(
        'POST',
        '/api/v1/instances',
        {
            repo_url: '',
            repo_name: scene.repo.name,
            repo_owner: scene.repo.owner,
            repo_host: 'github.com',
            instances,
        },
        { token },
    );
});
after(() => web.closeContent());

function paths(): string[] {
    const repository = `/repositories/${scene.repo.lane}`;
    return [
        '/',
        '/deployments',
        '/instances',
        `/instances/${scene.repo.lane}/plat-use1-prod/data/postgres`,
        '/repositories',
        repository,
        ...['settings', 'permissions', 'instances', 'uploads', 'webhooks', 'actions'].map(
            (tab) => `${repository}/${tab}`,
        ),
        '/locks',
        '/audit',
        '/budget',
        scene.path,
        `${scene.path}?node=${position}`,
        `${scene.path}?view=graph`,
        `${scene.path}?view=waterfall`,
    ];
}

/** What the page shows is there: nothing is being read any more. */
async function opened(tab: Tab, path: string): Promise<void> {
    await tab.go(path);
    await tab.page.getByRole('heading', { level: 1 }).first().waitFor();
    await tab.page.waitForLoadState('load');
    await tab.page
        .getByRole('status')
        .filter({ hasText: 'Reading' })
        .waitFor({ state: 'detached' });
    await tab.page.waitForFunction(
        () =>
            document.querySelectorAll('[data-step],table,[role="table"],li,dl,fieldset,svg,form')
                .length > 0,
    );
}

for (const scheme of ['light', 'dark'] as const)
    test(`in ${scheme}, no page has a serious issue, and no name did harm`, async () => {
        const tab = await web.tab(ada, { scheme });
        for (const path of paths()) {
            await opened(tab, path);
            await tab.axe(`${path} in ${scheme}`);
            assert.notEqual(await tab.page.title(), 'taken', path);
        }
        await tab.close();
    });

test('on a phone no page is wider than the screen', async () => {
    const tab = await web.tab(ada, { width: 390, height: 800 });
    for (const path of paths()) {
        await opened(tab, path);
        const wide = await tab.page.evaluate(
            () => document.documentElement.scrollWidth - window.innerWidth,
        );
        assert.ok(wide <= 0, `${path} is ${wide} px too wide`);
    }
    await tab.close();
});
