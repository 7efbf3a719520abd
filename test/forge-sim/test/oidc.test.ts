import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as https from 'node:https';
import { after, before, describe, it } from 'node:test';
import type { Json } from '../util.ts';
import { Rig } from './helper.ts';

describe('the OIDC issuer', () => {
    let rig: Rig;
    before(async () => {
        rig = await Rig.start();
    });
    after(() => rig.stop());

    function get(
        url: string,
        headers: Record<string, string> = {},
    ): Promise<{ status: number; body: Json }> {
        return new Promise((done, failed) => {
            const options = { ca: readFileSync(rig.sim.ready.ca), headers };
            https
                .get(url, options, (response) => {
                    let text = '';
                    response.on('data', (part: Buffer) => {
                        text += part.toString();
                    });
                    response.on('end', () =>
                        done({ status: response.statusCode ?? 0, body: JSON.parse(text) as Json }),
                    );
                })
                .on('error', failed);
        });
    }

    async function isValid(token: string): Promise<boolean> {
        const [head = '', body = '', signature = ''] = token.split('.');
        const header = JSON.parse(Buffer.from(head, 'base64url').toString()) as Json;
        const { keys } = (await get(`${rig.sim.ready.oidc}/.well-known/jwks`)).body as {
            keys: Json[];
        };
        const key = keys.find((one) => one['kid'] === header['kid']);
        if (!key || header['alg'] !== 'RS256') return false;
        const publicKey = createPublicKey({ key, format: 'jwk' });
        return verify(
            'RSA-SHA256',
            Buffer.from(`${head}.${body}`),
            publicKey,
            Buffer.from(signature, 'base64url'),
        );
    }

    const claimsOf = (token: string) =>
        JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Json;

    it('serves over TLS under its own authority and gives a runner its token', async () => {
        const discovery = await get(`${rig.sim.ready.oidc}/.well-known/openid-configuration`);
        assert.equal(discovery.body['issuer'], rig.sim.ready.oidc);
        const env = await rig.sim.runnerEnv('acme/infra', {
            event_name: 'pull_request',
            ref: 'refs/pull/1/merge',
            head_ref: 'feature',
            base_ref: 'main',
        });
        const url = `${env['ACTIONS_ID_TOKEN_REQUEST_URL']}&audience=atmos-pro.com`;
        assert.equal((await get(url)).status, 401);
        const answer = await get(url, {
            authorization: `Bearer ${env['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}`,
        });
        const token = String(answer.body['value']);
        assert.equal(await isValid(token), true);
        const claims = claimsOf(token);
        assert.equal(claims['aud'], 'atmos-pro.com');
        assert.equal(claims['sub'], 'repo:acme/infra:pull_request');
        assert.equal(claims['repository_id'], String(rig.repo.id));
    });

    it('writes the immutable subject when asked', async () => {
        const token = await rig.sim.mintOidc({
            repo: 'acme/infra',
            runner: { immutable_sub: true, environment: 'a:b' },
        });
        assert.equal(
            claimsOf(token)['sub'],
            `repo:acme@${rig.repo.owner_id}/infra@${rig.repo.id}:environment:a%3Ab`,
        );
    });

    it('mints tokens that are wrong in one way each', async () => {
        assert.equal(await isValid(await rig.sim.mintOidc({ repo: 'acme/infra' })), true);
        for (const tamper of [
            'none-alg',
            'hs256',
            'unknown-kid',
            'no-kid',
            'bad-signature',
            'other-key',
            'rs512',
        ] as const) {
            assert.equal(
                await isValid(await rig.sim.mintOidc({ repo: 'acme/infra', tamper })),
                false,
                tamper,
            );
        }
        const now = Date.now() / 1000;
        assert.ok(Number(claimsOf(await rig.sim.mintOidc({ tamper: 'expired' }))['exp']) < now);
        assert.ok(Number(claimsOf(await rig.sim.mintOidc({ tamper: 'not-yet' }))['nbf']) > now);
        assert.notEqual(
            claimsOf(await rig.sim.mintOidc({ tamper: 'wrong-iss' }))['iss'],
            rig.sim.ready.oidc,
        );
        assert.notEqual(
            claimsOf(await rig.sim.mintOidc({ tamper: 'wrong-aud' }))['aud'],
            'atmos-pro.com',
        );
    });

    it('rotates keys with and without overlap', async () => {
        const old = await rig.sim.mintOidc({ repo: 'acme/infra' });
        await rig.sim.rotateKeys(true);
        assert.equal(await isValid(old), true);
        await rig.sim.rotateKeys(false);
        assert.equal(await isValid(old), false);
        assert.equal(await isValid(await rig.sim.mintOidc({ repo: 'acme/infra' })), true);
    });
});
