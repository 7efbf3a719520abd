/*
 * ./dev screenshots: the story of the demo on a real server, and its main pages as pictures in docs/images, light and dark.
 * Arguments name some of the pictures; without, all are made.
 */
import { statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser as SignedIn } from '../api/house.ts';
import { eventually } from '../api/house.ts';
import { Api } from '../demo/api.ts';
import { Screen } from '../demo/screen.ts';
import { Story } from '../demo/story.ts';
import { WebHouse, type Tab } from './house.ts';
import { nodeOf, pullScene, report, until } from './scenes.ts';

const out = join(import.meta.dirname, '../../docs/images');
const bytes_max = 200_000;
const only = process.argv.slice(2);

interface Shot {
    name: string;
    path: () => string;
    /** What has to be there before. */
    ready: (tab: Tab) => Promise<unknown>;
}

const plan_log = `\u001b[1mTerraform\u001b[0m will perform the following actions:

\u001b[1m  # aws_db_instance.main\u001b[0m will be created
  \u001b[32m+\u001b[0m resource "aws_db_instance" "main" {
      \u001b[32m+\u001b[0m engine         = "postgres"
      \u001b[32m+\u001b[0m engine_version = "16.4"
      \u001b[32m+\u001b[0m instance_class = "db.m7g.large"
    }

\u001b[1mPlan:\u001b[0m 1 to add, 1 to change, 0 to destroy.
`;

const teams = (count: number) =>
    Array.from({ length: count }, (_, i) => ({
        component: 'shared/labels',
        stack: `team-${String(i + 1).padStart(3, '0')}-prod`,
        after: [],
    }));

class Photographer {
    private web: WebHouse;
    private who: SignedIn;
    made = 0;

    constructor(web: WebHouse, who: SignedIn) {
        this.web = web;
        this.who = who;
    }

    async take(shots: Shot[]): Promise<void> {
        for (const scheme of ['light', 'dark'] as const) {
            const tab = await this.web.tab(this.who, { scheme });
            for (const shot of shots) {
                if (only.length > 0 && !only.includes(shot.name)) continue;
                await tab.go(shot.path());
                await shot.ready(tab);
                await this.still(tab);
                const path = join(out, `${shot.name}-${scheme}.png`);
                await tab.page.screenshot({ path, animations: 'disabled', caret: 'hide' });
                const { size } = statSync(path);
                if (size > bytes_max)
                    throw new Error(`${path} has ${size} bytes, ${bytes_max} are the limit`);
                console.log(`docs/images/${shot.name}-${scheme}.png ${Math.round(size / 1000)} kB`);
                this.made++;
            }
            await tab.close();
        }
    }

    /** Nothing is being read any more, and what was read is drawn. */
    private async still(tab: Tab): Promise<void> {
        await tab.page.waitForFunction(
            () => !document.querySelector('[role="status"] .mantine-Loader-root'),
        );
        await tab.page.waitForTimeout(700);
    }
}

const heading = (name: string | RegExp) => (tab: Tab) =>
    tab.page.getByRole('heading', { level: 1, name }).waitFor();
const row = (text: string | RegExp) => (tab: Tab) => tab.page.getByText(text).first().waitFor();

async function main(): Promise<void> {
    await mkdir(out, { recursive: true });
    const web = await WebHouse.open({ settings: { github_minute_ms: '1000' } });
    const { house } = web;
    try {
        const empty = new Photographer(web, await house.welcome('Ada Lovelace'));
        await empty.take([{ name: 'start', path: () => '/start', ready: heading('Set-up') }]);

        // The life of a pull request, as the demo plays it; in the middle of its applies we look.
        const api = new Api(web.url, house.admin);
        const story = new Story(house.sim, api, new Screen(), { runMs: 500, look_ms: 60 });
        let running = '';
        let taken: Promise<void> | undefined;
        let isSlow = false;
        const me = new Photographer(web, await house.signIn('Ada Lovelace'));
        story.looked = async (title, share) => {
            if (title !== 'apply' || taken) return;
            if (!isSlow) {
                // The third level takes its time, so that there is something to see.
                isSlow = true;
                await house.sim.script({
                    match: { component: 'eks/ingress' },
                    conclusion: 'success',
                    queueMs: 0,
                    runMs: 15_000,
                    count: 3,
                });
            }
            if (share < 0.6) return;
            const { data } = await house.ok('GET', '/api/v1/batches?limit=1');
            running = data['items'][0].id as string;
            taken = me.take([
                { name: 'batch', path: () => `/batches/${running}`, ready: row('eks/cluster') },
            ]);
            await taken;
        };
        await story.play();

        // One line in a shared module: 247 stacks are held.
        const held = await pullScene(house, teams(247), {
            name: 'platform',
            title: 'One line in a shared module',
            settings: { threshold_hold: true, threshold: 50 },
        });
        // A plan that failed, and what it said.
        await house.sim.script({
            match: { component: 'data/postgres' },
            conclusion: 'failure',
            queueMs: 0,
            runMs: 200,
        });
        const parts = ['network/vpc', 'network/dns', 'data/postgres', 'apps/api', 'apps/web'].map(
            (component, i) => ({
                component,
                stack: 'plat-use1-prod',
                after: i < 2 ? [] : i === 2 ? ['network/vpc'] : ['data/postgres'],
            }),
        );
        const failed = await pullScene(house, parts, { name: 'shop', title: 'Postgres 16' });
        await until(house, failed, 1, 'failure');
        await until(house, failed, 2, 'success');
        await report(house, failed, await nodeOf(house, failed, 'data/postgres'), plan_log, [
            { action: 'create', address: 'aws_db_instance.main' },
            { action: 'update', address: 'aws_security_group.db' },
        ]);
        const position = (await nodeOf(house, failed, 'data/postgres'))['position'] as number;
        await house.ok('POST', '/api/v1/locks', {
            key: 'acme/shop/plat-use1-prod/network/vpc',
            ttl: 5400,
            message: 'Moving the state to another bucket, ask Ana',
        });
        // And something that runs.
        await house.sim.script({
            match: { component: 'dns' },
            conclusion: 'success',
            queueMs: 0,
            runMs: 120_000,
        });
        const zones = ['vpc', 'dns', 'cdn'].map((component) => ({
            component,
            stack: 'edge-prod',
            after: component === 'cdn' ? ['dns'] : [],
        }));
        await until(
            house,
            await pullScene(house, zones, { name: 'edge', title: 'Shorter lives for DNS records' }),
            1,
            'running',
        );
        await eventually(async () => {
            const { data } = await house.ok('GET', `/api/v1/batches/${held.batchId}`);
            if (data['state'] !== 'held') throw new Error('not held yet');
        });
        await me.take([
            { name: 'now', path: () => '/', ready: row('One line in a shared module') },
            { name: 'held', path: () => held.path, ready: row(/247/) },
            { name: 'node', path: () => `${failed.path}?node=${position}`, ready: row(/Plan:/) },
            {
                name: 'graph',
                path: () => `/batches/${running}?view=graph`,
                ready: row('eks/cluster'),
            },
            {
                name: 'deployments',
                path: () => '/deployments?component=apps%2F*',
                ready: row('apps/web'),
            },
            { name: 'locks', path: () => '/locks', ready: row(/Moving the state/) },
            {
                name: 'settings',
                path: () => `/repositories/${held.repo.lane}/settings`,
                ready: heading(/platform/),
            },
        ]);
        console.log(`${empty.made + me.made} pictures`);
    } finally {
        await web.close();
    }
}

await main();
