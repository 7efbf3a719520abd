import { createHmac, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import * as https from 'node:https';
import type { AddressInfo } from 'node:net';
import { certificatesMake } from './certificates.ts';
import { isObject, uuidOf, type Json, nowMs } from './util.ts';

export type Tamper =
    | 'none-alg'
    | 'hs256'
    | 'expired'
    | 'not-yet'
    | 'unknown-kid'
    | 'no-kid'
    | 'bad-signature'
    | 'wrong-iss'
    | 'wrong-aud'
    | 'other-key'
    | 'rs512';

interface Key {
    kid: string;
    privateKey: KeyObject;
    publicKey: KeyObject;
}

export interface Mint {
    claims?: Json;
    audience?: string;
    tamper?: Tamper;
    lifetimeSeconds?: number;
}

function keyMake(): Key {
    const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
    return { kid: randomBytes(20).toString('hex').toUpperCase(), ...pair };
}

function encode(value: Json): string {
    return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** The issuer of GitHub's OIDC tokens: discovery, keys, and the runner's token endpoint, over TLS. */
export class Oidc {
    issuer = '';
    caPath = '';
    requests = { discovery: 0, jwks: 0, token: 0 };
    /** runner request token → the claims its run has */
    runners: Map<string, Json> = new Map();
    private keys: Key[] = [keyMake()];
    private server: https.Server | undefined;

    async listen(dir: string, port: number): Promise<void> {
        const { ca, key, cert } = certificatesMake(dir);
        this.caPath = ca;
        const server = https.createServer(
            {
                key,
                cert,
                keepAliveTimeout: 65_000,
            },
            (request, response) => {
                const [status, body] = this.answer(
                    request.url ?? '/',
                    request.headers.authorization,
                );
                response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
                response.end(JSON.stringify(body));
            },
        );
        await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
        this.server = server;
        this.issuer = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    }

    close(): void {
        this.server?.closeAllConnections();
        this.server?.close();
    }

    /** A fresh signing key; the old one stays published for as long as keepOld says. */
    rotate(keepOld: boolean): string {
        const key = keyMake();
        this.keys = keepOld ? [key, ...this.keys] : [key];
        return key.kid;
    }

    jwks(): Json {
        return {
            keys: this.keys.map((key) => ({
                ...key.publicKey.export({ format: 'jwk' }),
                kid: key.kid,
                use: 'sig',
                alg: 'RS256',
            })),
        };
    }

    publicPem(): string {
        return String(this.currentKey().publicKey.export({ type: 'spki', format: 'pem' }));
    }

    mint(order: Mint, nowMs: number): string {
        const now = Math.floor(nowMs / 1000);
        const tamper = order.tamper;
        const life = order.lifetimeSeconds ?? 300;
        const shift = tamper === 'expired' ? -3600 : tamper === 'not-yet' ? 3600 : 0;
        const claims: Json = {
            jti: uuidOf(randomBytes(16)),
            aud: order.audience ?? 'atmos-pro.com',
            iss: this.issuer,
            nbf: now + shift - 5,
            iat: now + shift,
            exp: now + shift + life,
            ...order.claims,
        };
        if (tamper === 'wrong-iss') claims['iss'] = 'https://token.actions.example.test';
        if (tamper === 'wrong-aud') claims['aud'] = 'somebody-else.example.test';
        return this.signed(claims, tamper);
    }

    private signed(claims: Json, tamper: Tamper | undefined): string {
        const key =
            tamper === 'other-key'
                ? { ...keyMake(), kid: this.currentKey().kid }
                : this.currentKey();
        const header: Json = { typ: 'JWT', alg: 'RS256', kid: key.kid, x5t: key.kid };
        if (tamper === 'unknown-kid') header['kid'] = 'F00DF00D';
        if (tamper === 'no-kid') delete header['kid'];
        if (tamper === 'none-alg')
            return `${encode({ ...header, alg: 'none' })}.${encode(claims)}.`;
        if (tamper === 'rs512') header['alg'] = 'RS512';
        if (tamper === 'hs256') {
            const text = `${encode({ ...header, alg: 'HS256' })}.${encode(claims)}`;
            return `${text}.${createHmac('sha256', this.publicPem()).update(text).digest('base64url')}`;
        }
        const text = `${encode(header)}.${encode(claims)}`;
        const digest = tamper === 'rs512' ? 'RSA-SHA512' : 'RSA-SHA256';
        const signature = sign(digest, Buffer.from(text), key.privateKey);
        if (tamper === 'bad-signature') signature[10] = (signature[10] ?? 0) ^ 0xff;
        return `${text}.${signature.toString('base64url')}`;
    }

    private currentKey(): Key {
        const key = this.keys[0];
        if (!key) throw new Error('the issuer has no key');
        return key;
    }

    private answer(target: string, authorization: string | undefined): [number, Json] {
        const url = new URL(target, 'https://127.0.0.1');
        if (url.pathname === '/.well-known/openid-configuration') {
            this.requests.discovery++;
            return [200, this.discovery()];
        }
        if (url.pathname === '/.well-known/jwks') {
            this.requests.jwks++;
            return [200, this.jwks()];
        }
        if (url.pathname.startsWith('/_apis/')) return this.runnerToken(url, authorization);
        return [404, { message: 'Not Found' }];
    }

    private runnerToken(url: URL, authorization: string | undefined): [number, Json] {
        this.requests.token++;
        const claims = this.runners.get(/^bearer (\S+)$/i.exec(authorization ?? '')?.[1] ?? '');
        if (!isObject(claims)) return [401, { message: 'Unauthorized' }];
        const audience =
            url.searchParams.get('audience') ??
            `https://github.com/${String(claims['repository_owner'])}`;
        return [200, { count: 4, value: this.mint({ claims, audience }, nowMs()) }];
    }

    private discovery(): Json {
        return {
            issuer: this.issuer,
            jwks_uri: `${this.issuer}/.well-known/jwks`,
            subject_types_supported: ['public', 'pairwise'],
            response_types_supported: ['id_token'],
            claims_supported: [
                'sub',
                'aud',
                'exp',
                'iat',
                'iss',
                'jti',
                'nbf',
                'ref',
                'sha',
                'repository',
                'repository_id',
                'repository_owner',
                'repository_owner_id',
                'run_id',
                'run_number',
                'run_attempt',
                'actor',
                'actor_id',
                'workflow',
                'workflow_ref',
                'workflow_sha',
                'head_ref',
                'base_ref',
                'event_name',
                'ref_type',
                'environment',
                'job_workflow_ref',
                'job_workflow_sha',
                'repository_visibility',
                'runner_environment',
                'check_run_id',
            ],
            id_token_signing_alg_values_supported: ['RS256'],
            scopes_supported: ['openid'],
        };
    }
}
