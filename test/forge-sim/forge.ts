import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Auth, type TokenFormat } from './auth.ts';
import { Deliveries } from './deliveries.ts';
import { Events } from './events.ts';
import { Faults } from './faults.ts';
import { Limits, type Enforced } from './limits.ts';
import { Oidc } from './oidc.ts';
import { People } from './people.ts';
import { Referee } from './referee.ts';
import { Runners } from './runners.ts';
import { Runs, type Delays } from './runs.ts';
import { ApiServer } from './server.ts';
import type { Origin } from './shapes.ts';
import { World, type AppConfig } from './world.ts';
import { routes } from './routes/index.ts';
import { Oauth } from './routes/oauth.ts';
import { clock } from './util.ts';

export interface Config {
    seed?: number;
    dir?: string;
    app?: AppConfig;
    tokenFormat?: TokenFormat;
    apiPort?: number;
    oidcPort?: number;
    controlPort?: number;
    delays?: Partial<Delays>;
    webhookDelayMs?: number;
    apiLatencyMs?: number;
    coreLimit?: number;
    /** how far its clock is ahead of the machine's */
    clockAheadMs?: number;
    enforce?: Enforced;
    dispatchStyle?: DispatchStyle;
}

/** How the dispatch call answers: today's dotcom, GHES that ignores the flag, GHES that refuses it. */
export type DispatchStyle = 'dotcom' | 'ghes' | 'ghes-strict';

export type Lie =
    | 'missing-field'
    | 'wrong-type'
    | 'wrong-state'
    | 'wrong-signature'
    | 'no-retry-after'
    | 'thin-comment'
    | 'empty-dispatch'
    | 'wrong-dispatch';

/** The whole stand-in: state, behaviour and the listeners around them. */
export class Forge {
    dir: string;
    origin: Origin = { api: '', html: '' };
    tokenFormat: TokenFormat;
    dispatchStyle: DispatchStyle;
    lies: Set<string> = new Set();
    world: World;
    faults: Faults;
    limits: Limits;
    auth = new Auth();
    oidc = new Oidc();
    oauth = new Oauth();
    referee = new Referee();
    deliveries: Deliveries;
    events: Events;
    people: People;
    runners: Runners;
    runs: Runs;
    api: ApiServer;

    constructor(config: Config) {
        clock.aheadMs = config.clockAheadMs ?? 0;
        this.dir = mkdtempSync(join(config.dir ?? tmpdir(), 'forge-sim-'));
        this.tokenFormat = config.tokenFormat ?? 'mixed';
        this.dispatchStyle = config.dispatchStyle ?? 'dotcom';
        this.world = new World(this.dir, config.app ?? {});
        this.faults = new Faults(config.seed ?? 1);
        this.limits = new Limits(config.coreLimit ?? 5000);
        this.limits.enforced = config.enforce ?? {};
        this.deliveries = new Deliveries(this.world.app, this.faults);
        this.deliveries.delayMs = config.webhookDelayMs ?? 0;
        this.events = new Events(this.world, this.deliveries);
        this.people = new People(this.world, this.events);
        this.runners = new Runners(this.world, this.oidc, this.auth);
        this.runs = new Runs(this.world, this.events, this.faults, this.runners);
        Object.assign(this.runs.delays, config.delays);
        this.api = new ApiServer(this, routes);
        this.api.latencyMs = config.apiLatencyMs ?? 0;
        this.deliveries.lies = this.events.lies = this.api.lies = this.lies;
    }

    async listen(config: Config): Promise<void> {
        await this.oidc.listen(this.dir, config.oidcPort ?? 0);
        const api = await this.api.listen(config.apiPort ?? 0);
        this.origin.api = this.origin.html = api;
        this.events.at = this.runners.at = this.origin;
    }

    isIdle(): boolean {
        return this.deliveries.isIdle() && this.runs.isIdle();
    }

    close(): void {
        this.runs.close();
        this.deliveries.close();
        this.api.close();
        this.oidc.close();
        this.world.close();
    }
}
