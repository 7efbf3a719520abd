/*
 * ./dev demo: the real server beside the stand-in for GitHub, and one pull request's life. Serves on until Ctrl-C.
 * --runner plays another one: actions on a runner of one's own.
 * --once ends after the story (exit code 1 when it came to a wrong end); --crash kills the server (kill -9) in the middle, twice.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ForgeSim } from '../forge-sim/client.ts';
import { Api } from './api.ts';
import { Screen } from './screen.ts';
import { freePort, Serve } from './serve.ts';
import { Breakers, breakersComplaints, breakersSum } from './breakers.ts';
import { runnerComplaints, runnerSum, RunnerStory } from './runner.ts';
import { complaints, Story, type End } from './story.ts';

const usage = `usage: ./dev demo [--once] [--crash] [--chapter 1|2] [--runner] [--port N]

  --once    end after the story, with exit code 0 when it came to the right end
  --crash   kill the server (kill -9) while plans run and while applies run, and start it again
  --chapter only one of the two: 1 the life of a pull request, 2 circuit breakers
  --runner  another story: actions whose workflows run on a runner beside the server
  --port N  serve there (default 8080 when it is free)
`;
const { values: flags } = parseArgs({
    options: {
        once: { type: 'boolean', default: false },
        crash: { type: 'boolean', default: false },
        chapter: { type: 'string', default: '' },
        runner: { type: 'boolean', default: false },
        port: { type: 'string', default: '8080' },
        help: { type: 'boolean', default: false },
    },
});

/** After a kill the server asks the forge what became of its calls; here it does not wait long before it asks. */
const impatient = { sweep_ms: '1000', silent_ms: '2000', find_settle_ms: '2000' };
const program = process.env['SIGNALBOX_BIN_DEMO'] ?? join(import.meta.dirname, '../../build/signalbox');
const screen = new Screen();

async function startServer(sim: ForgeSim, dir: string): Promise<Serve> {
    const { app } = await sim.settings();
    const key = join(dir, 'app.pem');
    writeFileSync(key, app.private_key, { mode: 0o600 });
    const port = await freePort(flags.once ? 0 : Number(flags.port));
    const serve = new Serve(program, port, dir, {
        github_api: sim.ready.api,
        github_web: sim.ready.api,
        github_app_id: String(app.id),
        github_app_slug: app.slug,
        github_private_key_file: key,
        github_webhook_secret: app.webhook_secret,
        oidc_issuers: sim.ready.oidc,
        ca_file: sim.ready.ca,
        runner_hosts: '127.0.0.1',
        // GitHub's written limits are by the minute; nobody wants to wait for 247 dispatches at that pace.
        github_minute_ms: flags.once ? '1000' : '3000',
        ...(flags.crash ? impatient : {}),
    });
    await sim.settings({ webhook_url: `${serve.url}/webhooks/github` });
    return serve;
}

/** Kills the server once while plans run and once while applies run, when a third is done. */
function crashes(serve: Serve): (title: string, share: number) => Promise<void> {
    const killed = new Set<string>();
    return async (title, share) => {
        if (share < 1 / 3 || share >= 1 || killed.has(title)) return;
        killed.add(title);
        await serve.kill();
        screen.say(`   kill -9 of the server while ${title === 'plan' ? 'plans' : 'applies'} run; it starts again.`);
        await serve.start();
    };
}

function sum(end: End): string {
    const words = (counts: Record<string, number>) => Object.entries(counts).map(([state, n]) => `${n} ${state}`).join(', ');
    return (
        `plans: ${words(end.plan)}; applies: ${words(end.apply)}; runs on the forge: ${end.runs}, twice: ${end.duplicates}; ` +
        `comments: ${end.comments}; out of order: ${end.disorder.length}`
    );
}

/** What the server logs at its first start: the way to the first account. */
function welcomeLink(serve: Serve): string | undefined {
    return /https?:\/\/\S+\/welcome#code=[^\s"]+/.exec(serve.logWhole())?.[0];
}

function showAddresses(serve: Serve, sim: ForgeSim, token: string): void {
    console.log(`
Look around (an admin token for this demo: ${token}):
  dashboard    ${serve.url}
  health       ${serve.url}/healthz
  metrics      ${serve.url}/metrics
  batches      curl -H 'Authorization: Bearer ${token}' ${serve.url}/api/v1/batches
  command line SIGNALBOX_URL=${serve.url} SIGNALBOX_TOKEN=${token} build/signalbox batches
  "GitHub"     ${sim.ready.control}/repos/acme%2Finfra   (what the stand-in for GitHub knows)
  log          ${serve.logFile}
`);
}

function showComment(text: string): void {
    const width = Math.min(process.stdout.columns ?? 100, 110);
    const plain = text.replace(/<!--[\s\S]*?-->/g, '').replace(/\n{3,}/g, '\n\n').trim();
    console.log(`\n${'─'.repeat(width)}\nThe comment in the pull request, as it stands now:\n\n${plain}\n${'─'.repeat(width)}`);
}

/** Plays what was asked for; what came out wrong. */
async function chapters(sim: ForgeSim, serve: Serve, token: string): Promise<string[]> {
    const api = new Api(serve.url, token);
    const pace = flags.once ? { runMs: 60, look_ms: 40 } : { runMs: 900, look_ms: 120 };
    const wrong: string[] = [];
    if (flags.runner) {
        const played = await new RunnerStory(sim, api, screen, program).play();
        console.log(`end: ${runnerSum(played)}`);
        return runnerComplaints(played);
    }
    if (flags.chapter !== '2') {
        const story = new Story(sim, api, screen, pace);
        if (flags.crash) story.looked = crashes(serve);
        const played = await story.play();
        showComment(story.comment);
        console.log(`end: ${sum(played)}`);
        wrong.push(...complaints(played));
        if (played.duplicates > 0) console.log(JSON.stringify(await story.doubles(), undefined, 1));
    }
    if (flags.chapter !== '1') {
        const played = await new Breakers(sim, api, screen, { ...pace, runMs: pace.runMs / 2 }, program).play();
        console.log(`end: ${breakersSum(played)}`);
        wrong.push(...breakersComplaints(played));
    }
    return wrong;
}

async function main(): Promise<number> {
    if (flags.help) {
        process.stdout.write(usage);
        return 0;
    }
    if (!existsSync(program)) throw new Error(`${program} is missing; ./dev build makes it`);
    const begin = Date.now();
    const dir = mkdtempSync(join(tmpdir(), 'signalbox-demo-'));
    const sim = await ForgeSim.start({ dir });
    const serve = await startServer(sim, dir);
    const stopped = new Promise<number>((done) => {
        process.once('SIGINT', () => done(130));
        process.once('SIGTERM', () => done(143));
    });
    const died = new Promise<never>((_, failed) => {
        serve.died = (code) => failed(new Error(`signalbox serve ended by itself (${code}):\n${serve.logTail()}`));
    });
    try {
        const token = serve.bootstrap();
        await serve.start();
        screen.say(`Signalbox serves at ${serve.url}, a stand-in for GitHub at ${sim.ready.api} (after ${Date.now() - begin} ms)`);
        screen.say(`Watch it in a browser; any name and a password of ten letters make the account: ${welcomeLink(serve) ?? serve.url}`);
        const told = await Promise.race([chapters(sim, serve, token), stopped, died]);
        if (typeof told === 'number') return told;
        for (const sentence of told) console.log(`WRONG: ${sentence}`);
        if (told.length > 0 && process.env['CI']) console.log(serve.logTail());
        if (flags.once) return told.length === 0 ? 0 : 1;
        showAddresses(serve, sim, token);
        console.log('Serving until Ctrl-C.');
        await Promise.race([stopped, died]);
        return 0;
    } catch (error) {
        console.error(`The last lines of ${serve.logFile}:\n${serve.logTail()}\n`);
        throw error;
    } finally {
        await serve.stop().finally(() => sim.stop());
        if (process.env['DEMO_KEEP']) console.log(`kept: ${dir}`);
        else rmSync(dir, { recursive: true, force: true });
    }
}

// Somebody looked at the first lines only (| head): stop like for Ctrl-C, without a word.
process.stdout.on('error', () => process.exit(0));
process.exitCode = await main().catch((error: Error) => {
    console.error(`demo: ${error.message}`);
    return 1;
});
