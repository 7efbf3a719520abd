/* 8. The dashboard, in Chromium against the hardened program on this machine: what somebody waits for who looks. */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { median, program } from './rig.ts';
import { ms, show, type Figure } from './table.ts';

// What the rig of the pages starts.
process.env['SIGNALBOX_BIN'] = program;

const kb = (bytes: number): string => `${(bytes / 1000).toFixed(0)} kB`;

/** When this text is first drawn, in milliseconds since the navigation began; for the page, it is put there before all else. */
async function watchFor(page: Page, selector: string, text: string): Promise<void> {
    await page.addInitScript(
        ([selector, text]) => {
            const look = () => {
                const is = [...document.querySelectorAll(selector!)].some((one) => one.textContent?.includes(text!));
                if (!is) requestAnimationFrame(look);
                else requestAnimationFrame(() => ((window as unknown as { seenAt_ms: number }).seenAt_ms = performance.now()));
            };
            requestAnimationFrame(look);
        },
        [selector, text],
    );
}
async function seenAt(page: Page): Promise<number> {
    const handle = await page.waitForFunction(() => (window as unknown as { seenAt_ms?: number }).seenAt_ms ?? false, undefined, { timeout: 60_000 });
    return (await handle.jsonValue()) as number;
}

/** JavaScript as it came over the wire. */
function scriptBytes(page: Page): Promise<number> {
    return page.evaluate(() =>
        (performance.getEntriesByType('resource') as PerformanceResourceTiming[])
            .filter((one) => /\.js$/.test(new URL(one.name).pathname))
            .reduce((sum, one) => sum + one.encodedBodySize, 0),
    );
}

export async function showWeb(isShort: boolean): Promise<Figure[]> {
    if (!existsSync('/usr/bin/chromium') && !process.env['CHROMIUM']) {
        console.log('\nweb: left out, chromium is not installed');
        return [];
    }
    const { WebHouse } = await import('../web/house.ts');
    const { many, pullScene } = await import('../web/scenes.ts');
    const rounds = isShort ? 1 : 7;
    const nodes = isShort ? 40 : 2000;
    const web = await WebHouse.open();
    const { house } = web;
    try {
        const ada = await house.welcome('Ada');
        const settings = { threshold_hold: true, threshold: 5 };
        const big = await pullScene(house, many(nodes), { name: 'big', settings });

        /** Cold: a browser window without anything kept. */
        const opened = async (path: string, selector: string, text: string) => {
            const times: number[] = [];
            let bytes = 0;
            for (let round = 0; round < rounds; round++) {
                const tab = await web.tab(ada);
                await watchFor(tab.page, selector, text);
                await tab.go(path);
                times.push(await seenAt(tab.page));
                bytes = await scriptBytes(tab.page);
                await tab.close();
            }
            return { at_ms: median(times), bytes };
        };
        const home = await opened('/', '.page', 'A second availability zone');
        const batch = await opened(big.path, '[role="row"]', 'component-0');

        // From the answer that something is stored to the moment it is drawn.
        const tab = await web.tab(ada);
        await tab.go('/locks');
        await tab.page.getByRole('heading', { level: 1 }).waitFor();
        const waits: number[] = [];
        for (let round = 0; round < rounds; round++) {
            await sleep(1200);
            const key = `bench/${round}`;
            const drawn = tab.page.evaluate(
                (key) =>
                    new Promise<number>((done) => {
                        const look = () => {
                            if (!document.body.textContent?.includes(key)) requestAnimationFrame(look);
                            else done(Date.now());
                        };
                        look();
                    }),
                key,
            );
            await house.ok('POST', '/api/v1/locks', { key, ttl: 600, message: 'figures' });
            const stored = Date.now();
            waits.push((await drawn) - stored);
        }
        await tab.close();
        const seen_ms = median(waits);
        const figures: Figure[] = [
            { what: 'first page usable, cold cache', ours: ms(home.at_ms), target: '< 1 s', reached: home.at_ms < 1000 },
            { what: 'its JavaScript over the wire', ours: kb(home.bytes), target: '< 300 kB', reached: home.bytes < 300_000 },
            { what: `page of a batch of ${nodes.toLocaleString('en')} nodes, cold cache`, ours: ms(batch.at_ms), target: '< 2 s', reached: batch.at_ms < 2000 },
            { what: 'its JavaScript, before the graph is opened', ours: kb(batch.bytes), target: '< 300 kB', reached: batch.bytes < 300_000 },
            { what: 'a change drawn after it is stored', ours: ms(Math.max(0, seen_ms)), target: '< 200 ms', reached: seen_ms < 200 },
        ];
        show('8. The dashboard', figures);
        return figures;
    } finally {
        await web.close();
    }
}
