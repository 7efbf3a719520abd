/* Signing in with the App: what a browser sees, what the server asks for, and what the person's token may read. */
import { createHash, randomBytes } from 'node:crypto';
import type { User } from '../model.ts';
import { ok, paged, type Call, type Reply, type Route } from '../router.ts';
import { installationShape, userShape } from '../shapes.ts';
import { asString, HttpError, isObject } from '../util.ts';

const code_ms = 10 * 60_000;
const token_ms = 8 * 3600_000;

interface Code {
    user: User;
    redirectUri: string;
    challenge: string;
    at: number;
}

/** Of one forge; who sits at the browser is ordered by the test. */
export class Oauth {
    /** null: the page asks somebody to sign in, which nobody does. */
    browser: User | null = null;
    refuses = false;
    /** null: any address will do, as with an App that was not made from a manifest. */
    callbackUrls: string[] | null = null;
    codes: Map<string, Code> = new Map();
    tokens: Map<string, { user: User; endsAt: number }> = new Map();
    /** How often a code was exchanged, and what was refused. */
    exchanged = 0;
    refused: string[] = [];
}

function html(text: string): Reply {
    return { status: 200, type: 'text/html; charset=utf-8', raw: `<!doctype html><title>GitHub</title><p>${text}</p>` };
}

/** The person has agreed before, so GitHub goes straight back. */
function authorize(call: Call): Reply {
    const { oauth, world } = call.forge;
    const { query } = call;
    if (query.get('client_id') !== world.app.clientId) throw new HttpError(404, 'Not Found');
    const redirectUri = query.get('redirect_uri') ?? '';
    if (!URL.canParse(redirectUri)) return html('The redirect_uri is not an address.');
    if (oauth.callbackUrls && !oauth.callbackUrls.includes(redirectUri))
        return html('The redirect_uri is not associated with this application.');
    const back = new URL(redirectUri);
    const state = query.get('state');
    if (state !== null) back.searchParams.set('state', state);
    if (!oauth.browser) return html('Sign in to GitHub');
    if (oauth.refuses) {
        back.searchParams.set('error', 'access_denied');
        back.searchParams.set(
            'error_description',
            'The user has denied your application access.',
        );
    } else {
        const code = randomBytes(10).toString('hex');
        oauth.codes.set(code, {
            user: oauth.browser,
            redirectUri,
            challenge:
                query.get('code_challenge_method') === 'S256'
                    ? (query.get('code_challenge') ?? '')
                    : '',
            at: call.nowMs,
        });
        back.searchParams.set('code', code);
    }
    return { status: 302, raw: '', type: 'text/html', headers: { location: back.toString() } };
}

function wrong(call: Call, error: string, description: string): Reply {
    call.forge.oauth.refused.push(error);
    return ok({
        error,
        error_description: description,
        error_uri: 'https://docs.github.com/apps/troubleshooting-authorization-request-errors',
    });
}

/** What is wrong comes as 200, as over there. */
function exchange(call: Call): Reply {
    const { oauth, world } = call.forge;
    const body = isObject(call.body) ? call.body : {};
    const found = oauth.codes.get(asString(body['code']) ?? '');
    oauth.codes.delete(asString(body['code']) ?? '');
    if (body['client_id'] !== world.app.clientId || body['client_secret'] !== world.app.clientSecret)
        return wrong(
            call,
            'incorrect_client_credentials',
            'The client_id and/or client_secret passed are incorrect.',
        );
    const verifier = asString(body['code_verifier']) ?? '';
    const challenge = createHash('sha256').update(verifier).digest('base64url');
    if (
        !found ||
        call.nowMs - found.at > code_ms ||
        (found.challenge !== '' && found.challenge !== challenge)
    )
        return wrong(call, 'bad_verification_code', 'The code passed is incorrect or expired.');
    if (body['redirect_uri'] !== undefined && body['redirect_uri'] !== found.redirectUri)
        return wrong(
            call,
            'redirect_uri_mismatch',
            'The redirect_uri MUST match the registered callback URL for this application.',
        );
    const token = `ghu_${randomBytes(27).toString('base64url')}`;
    oauth.tokens.set(token, { user: found.user, endsAt: call.nowMs + token_ms });
    oauth.exchanged++;
    return ok({
        access_token: token,
        expires_in: token_ms / 1000,
        refresh_token: `ghr_${randomBytes(57).toString('base64url')}`,
        refresh_token_expires_in: 15_897_600,
        token_type: 'bearer',
        scope: '',
    });
}

function userOf(call: Call): User {
    const found = call.forge.oauth.tokens.get(
        call.forge.auth.bearer(call.headers.authorization) ?? '',
    );
    if (!call.headers.authorization) throw new HttpError(401, 'Requires authentication');
    if (!found || found.endsAt <= call.nowMs) throw new HttpError(401, 'Bad credentials');
    return found.user;
}

/** Those of the App with a repository that the person has access to. */
function installations(call: Call): Reply {
    const { world, origin } = call.forge;
    const user = userOf(call);
    const mine = [...world.installations.values()].filter(
        (one) =>
            !one.deleted &&
            [...one.repositoryIds].some(
                (id) => world.permissionOf(world.repo(id), user.login) !== 'none',
            ),
    );
    return paged(
        call,
        mine.map((one) => installationShape(one, world.app, origin)),
        (page) => ({ total_count: mine.length, installations: page }),
    );
}

export const oauthRoutes: Route[] = [
    { method: 'GET', template: '/login/oauth/authorize', auth: 'none', handle: authorize },
    { method: 'POST', template: '/login/oauth/access_token', auth: 'none', handle: exchange },
    {
        method: 'GET',
        template: '/user',
        auth: 'any',
        handle: (call) => {
            const user = userOf(call);
            return ok({
                ...userShape(user, call.forge.origin),
                name: user.name,
                company: null,
                blog: '',
                location: null,
                email: null,
                hireable: null,
                bio: null,
                twitter_username: null,
                public_repos: 0,
                public_gists: 0,
                followers: 0,
                following: 0,
                created_at: '2020-01-01T00:00:00Z',
                updated_at: '2020-01-01T00:00:00Z',
            });
        },
    },
    { method: 'GET', template: '/user/installations', auth: 'any', handle: installations },
];
