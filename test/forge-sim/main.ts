import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ControlServer } from './control.ts';
import { Forge, type Config } from './forge.ts';

const usage = `forge-sim: a stand-in for GitHub on this machine

    node test/forge-sim/main.ts [--config file.json] [--webhook-url URL] [--webhook-secret TEXT]
        [--app-id N] [--private-key file.pem] [--api-port N] [--oidc-port N] [--control-port N]
        [--seed N] [--dir FOLDER] [--exit-with-stdin]

Prints one JSON line with its addresses when it is ready. Flags win over the config file.
`;

const options = {
    'config': { type: 'string' },
    'webhook-url': { type: 'string' },
    'webhook-secret': { type: 'string' },
    'app-id': { type: 'string' },
    'private-key': { type: 'string' },
    'api-port': { type: 'string' },
    'oidc-port': { type: 'string' },
    'control-port': { type: 'string' },
    'seed': { type: 'string' },
    'dir': { type: 'string' },
    'exit-with-stdin': { type: 'boolean' },
    'help': { type: 'boolean' },
} as const;

function numberOf(text: string | undefined): number | undefined {
    return text === undefined ? undefined : Number(text);
}

function configOf(flags: Record<string, string | boolean | undefined>): Config {
    const text = (name: string) => (typeof flags[name] === 'string' ? flags[name] : undefined);
    const file = text('config');
    const config = file === undefined ? {} : (JSON.parse(readFileSync(file, 'utf8')) as Config);
    const key = text('private-key');
    const app = { ...config.app };
    app.webhookUrl = text('webhook-url') ?? app.webhookUrl;
    app.webhookSecret = text('webhook-secret') ?? app.webhookSecret;
    app.id = numberOf(text('app-id')) ?? app.id;
    app.privateKeyPem = key === undefined ? app.privateKeyPem : readFileSync(key, 'utf8');
    return {
        ...config,
        app,
        dir: text('dir') ?? config.dir,
        seed: numberOf(text('seed')) ?? config.seed,
        apiPort: numberOf(text('api-port')) ?? config.apiPort,
        oidcPort: numberOf(text('oidc-port')) ?? config.oidcPort,
        controlPort: numberOf(text('control-port')) ?? config.controlPort,
    };
}

async function main(): Promise<void> {
    const { values } = parseArgs({ options });
    if (values.help) {
        process.stdout.write(usage);
        return;
    }
    const config = configOf(values);
    const forge = new Forge(config);
    const control = new ControlServer(forge);
    const stop = () => {
        control.close();
        forge.close();
        process.exit(0);
    };
    process.once('SIGTERM', stop);
    process.once('SIGINT', stop);
    await forge.listen(config);
    const ready = {
        api: forge.origin.api,
        oidc: forge.oidc.issuer,
        ca: forge.oidc.caPath,
        control: await control.listen(config),
        app_id: forge.world.app.id,
        dir: forge.dir,
    };
    process.stdout.write(JSON.stringify(ready) + '\n');
    if (values['exit-with-stdin']) {
        process.stdin.on('end', stop).on('close', stop);
        process.stdin.resume();
    }
}

await main();
