/// <reference lib="dom" />
/*
 * A real server, the stand-in for GitHub, and people in Debian's Chromium. A page that complains in its console, breaks the
 * Content-Security-Policy, or asks another host for anything fails the test that opened it.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { House, type Browser as SignedIn, type HouseOrder } from '../api/house.ts';
import { freePort } from '../demo/serve.ts';
import { databases } from '../run/server.ts';

export const patience_ms = 45_000;
const axeSource = readFileSync(
    join(import.meta.dirname, '../node_modules/axe-core/axe.min.js'),
    'utf8',
);

function program(): string {
    const found = [
        process.env['CHROMIUM'] ?? '',
        '/usr/bin/chromium',
        '/usr/bin/chromium-browser',
    ].find((path) => path !== '' && existsSync(path));
    if (!found) throw new Error('there is no Chromium; ./dev setup installs it');
    return found;
}

export const chromium_args = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
];

export interface Window {
    width?: number;
    height?: number;
    scheme?: 'light' | 'dark';
    /** No cookie: somebody who has not signed in. */
    isStranger?: boolean;
}

/** One tab, and what it complained about. */
export class Tab {
    readonly page: Page;
    readonly context: BrowserContext;
    readonly complaints: string[] = [];
    private origin: string;
    private allowed: RegExp[] = [];

    constructor(context: BrowserContext, page: Page, origin: string) {
        this.context = context;
        this.page = page;
        this.origin = origin;
        page.setDefaultTimeout(patience_ms);
        page.on('console', (message) => {
            if (message.type() === 'error')
                this.complain(`console: ${message.text()} (${message.location().url})`);
        });
        page.on('pageerror', (error) => this.complain(`error: ${error.stack ?? error.message}`));
        page.on('request', (request) => {
            const url = request.url();
            if (!/^(data|blob|about):/.test(url) && new URL(url).origin !== this.origin)
                this.complain(`a request to another host: ${url}`);
        });
    }

    private complain(text: string): void {
        this.complaints.push(text);
    }

    /** A refusal that the test provokes is told in the console, too. */
    allow(...patterns: RegExp[]): void {
        this.allowed.push(...patterns);
    }

    async go(path: string): Promise<void> {
        await this.page.goto(this.origin + path, { waitUntil: 'domcontentloaded' });
    }

    /** Says what is wrong; every test ends with it. */
    isContent(): void {
        const wrong = this.complaints.filter(
            (text) => !this.allowed.some((pattern) => pattern.test(text)),
        );
        assert.deepEqual(wrong, []);
    }

    /** Whether people who see or hear otherwise can use it: no serious issue by WCAG 2.2 A and AA. */
    async axe(where: string): Promise<void> {
        await this.page.evaluate(axeSource);
        const found = await this.page.evaluate(async () => {
            const axe = (
                globalThis as unknown as {
                    axe: { run: (o: object) => Promise<{ violations: Violation[] }> };
                }
            ).axe;
            type Violation = {
                id: string;
                impact: string;
                help: string;
                nodes: { html: string; failureSummary: string }[];
            };
            const { violations } = await axe.run({
                runOnly: {
                    type: 'tag',
                    values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'],
                },
                resultTypes: ['violations'],
            });
            return violations
                .filter((one) => one.impact === 'serious' || one.impact === 'critical')
                .map(
                    (one) =>
                        `${one.id}: ${one.help}: ${one.nodes.map((node) => `${node.html.slice(0, 200)} ${node.failureSummary.slice(0, 300)}`).join(' | ')}`,
                );
        });
        assert.deepEqual(found, [], where);
    }

    /** Text that is on the page, or comes to it. */
    async sees(text: string | RegExp): Promise<void> {
        await this.page.getByText(text).first().waitFor();
    }

    async close(): Promise<void> {
        await this.context.close();
    }
}

export class WebHouse {
    readonly house: House;
    readonly browser: Browser;
    private tabs: Tab[] = [];

    private constructor(house: House, browser: Browser) {
        this.house = house;
        this.browser = browser;
    }

    static async open(order: HouseOrder = {}): Promise<WebHouse> {
        const port = await freePort(0);
        const url = `http://127.0.0.1:${port}`;
        const settings = { listen: `127.0.0.1:${port}`, public_url: url, ...order.settings };
        const house = await House.open(databases[0]!, { ...order, settings });
        try {
            const browser = await chromium.launch({
                executablePath: program(),
                args: chromium_args,
            });
            return new WebHouse(house, browser);
        } catch (error) {
            await house.close().catch(() => undefined);
            throw error;
        }
    }

    get url(): string {
        return this.house.server.url;
    }

    /** A window of somebody: signed in as `who`, or nobody. */
    async tab(who: SignedIn | null, window: Window = {}): Promise<Tab> {
        const context = await this.browser.newContext({
            viewport: { width: window.width ?? 1440, height: window.height ?? 900 },
            colorScheme: window.scheme ?? 'light',
            locale: 'en-GB',
            timezoneId: 'UTC',
            reducedMotion: 'reduce',
        });
        if (who) {
            const at = who.cookie.indexOf('=');
            await context.addCookies([
                {
                    name: who.cookie.slice(0, at),
                    value: who.cookie.slice(at + 1),
                    url: this.url,
                    httpOnly: true,
                    sameSite: 'Lax',
                },
            ]);
        }
        const tab = new Tab(context, await context.newPage(), this.url);
        this.tabs.push(tab);
        return tab;
    }

    async close(): Promise<void> {
        await this.browser.close();
        await this.house.close();
    }

    /** Every tab that was opened, and the server, had nothing to complain about. */
    async closeContent(): Promise<void> {
        try {
            for (const tab of this.tabs) tab.isContent();
        } finally {
            await this.close();
        }
    }
}
