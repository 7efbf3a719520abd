/*
 * The contract that the atmos CLI's developers publish (pacts/atmos-AtmosPro.json in its repository), verified interaction by
 * interaction. It is not ours, so it is not kept here: SIGNALBOX_PACT names the file, or it is found where Go keeps the CLI's sources.
 */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { databases } from '../run/server.ts';
import { House, type Repo, type Value } from './house.ts';

// The library calls home otherwise.
process.env['PACT_DO_NOT_TRACK'] = 'true';
const { Verifier } = await import('@pact-foundation/pact');

function findPact(): string | undefined {
    const told = process.env['SIGNALBOX_PACT'];
    if (told) return told;
    const modules =
        process.env['GOMODCACHE'] ??
        join(process.env['GOPATH'] ?? join(homedir(), 'go'), 'pkg/mod');
    const folder = join(modules, 'github.com/cloudposse');
    return existsSync(folder)
        ? globSync(join(folder, 'atmos@*/pacts/atmos-AtmosPro.json')).sort().at(-1)
        : undefined;
}

interface Interaction {
    description: string;
    providerState: string;
    request: { method: string; path: string; headers?: Record<string, string>; body?: Value };
    response: { status: number };
}
interface Pact {
    interactions: Interaction[];
}

const file = findPact();
const pact = file === undefined ? undefined : (JSON.parse(readFileSync(file, 'utf8')) as Pact);
const no_pact = "the CLI's Pact file is not on this machine (SIGNALBOX_PACT may name it)";

/** Interactions that another side has to answer, or that are not served yet. */
const not_ours: Record<string, string> = {
    'GitHub Actions OIDC endpoint is available': "the forge's endpoint, not ours",
    'workspace exists and GitHub App is authorized': 'commits by the App are not served yet',
};

for (const kind of databases)
    describe(
        `the published contract, on ${kind.name}`,
        { skip: pact === undefined ? no_pact : false },
        () => {
            let house: House;
            let repo: Repo;
            let session: string;
            before(async () => {
                house = await House.open(kind);
                repo = await house.repo('repo', { a: 'b' }, 'org');
                session = await house.session(repo);
            });
            after(() => house?.close());

            const lock = { key: 'org/repo/dev/vpc', ttl: 3600 };
            const unlock = () =>
                house.call('DELETE', '/api/v1/locks', {
                    token: house.admin,
                    body: { key: lock.key },
                });
            const states: Record<string, () => Promise<unknown>> = {
                'workspace exists and accepts execution metadata': async () => undefined,
                'workspace exists and accepts affected stacks': async () => undefined,
                'workspace exists and accepts drift detection instances': async () => undefined,
                'OIDC token is valid and workspace exists': async () => undefined,
                'workspace exists and stack is unlocked': unlock,
                'workspace exists and stack is locked': async () => {
                    await unlock();
                    await house.ok('POST', '/api/v1/locks', lock);
                },
                'workspace exists and instance exists for owner/repo': () =>
                    house.ok('POST', '/api/v1/instances', {
                        repo_owner: 'org',
                        repo_name: 'repo',
                        instances: [{ component: 'vpc', stack: 'dev-us-east-1' }],
                    }),
            };

            /** What the contract leaves open (any token will do) gets values that are good here. */
            const filled = async (one: Interaction): Promise<Interaction> => {
                const copy = structuredClone(one);
                const headers = copy.request.headers ?? {};
                if (headers['Authorization']) headers['Authorization'] = `Bearer ${session}`;
                if (one.request.path.endsWith('/auth/github-oidc'))
                    copy.request.body = {
                        token: await house.mint(repo),
                        workspaceId: house.workspace,
                    };
                return copy;
            };

            it('has interactions, and each names a state that is known here', () => {
                assert.ok(pact!.interactions.length >= 8);
                for (const one of pact!.interactions)
                    assert.ok(
                        one.providerState in states || one.providerState in not_ours,
                        one.providerState,
                    );
            });

            for (const one of (pact?.interactions ?? []).filter(
                (each) => !(each.providerState in not_ours),
            ))
                it(one.description, async () => {
                    await states[one.providerState]!();
                    const path = join(house.database.dir, 'one.pact.json');
                    writeFileSync(
                        path,
                        JSON.stringify({ ...pact, interactions: [await filled(one)] }),
                    );
                    const verifier = new Verifier({
                        provider: 'AtmosPro',
                        providerBaseUrl: house.server.url,
                        pactUrls: [path],
                        logLevel: 'error',
                        stateHandlers: { [one.providerState]: async () => undefined },
                    });
                    await verifier.verifyProvider();
                });

            it('is not satisfied by just anything', async () => {
                const wrong = await filled(
                    pact!.interactions.find(
                        (one) => one.request.path === '/api/v1/affected-stacks',
                    )!,
                );
                wrong.response.status = 201;
                const path = join(house.database.dir, 'wrong.pact.json');
                writeFileSync(path, JSON.stringify({ ...pact, interactions: [wrong] }));
                const verifier = new Verifier({
                    provider: 'AtmosPro',
                    providerBaseUrl: house.server.url,
                    pactUrls: [path],
                    logLevel: 'error',
                    stateHandlers: { [wrong.providerState]: async () => undefined },
                });
                await assert.rejects(verifier.verifyProvider());
            });
        },
    );
