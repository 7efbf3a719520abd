import type { Repo } from '../model.ts';
import { fullName } from '../model.ts';
import { bodyOf, idParam, ok, paged, type Call, type Reply, type Route } from '../router.ts';
import { commitShape, repoFullShape, repoUrl, userShape } from '../shapes.ts';
import { releaseShape } from '../shapes-pull.ts';
import { statusShape } from '../shapes-checks.ts';
import { asString, HttpError, invalid, iso, nodeId, notFound, type Json } from '../util.ts';

export const status_description_chars_max = 140;
const collapsed: Record<string, string> = { maintain: 'write', triage: 'read' };

export function shaOf(repo: Repo, ref: string): string {
    const sha = repo.git.resolve(ref);
    if (!sha) throw new HttpError(422, `No commit found for SHA: ${ref}`);
    return sha;
}

async function commit(call: Call): Promise<Reply> {
    const sha = shaOf(call.repo, call.params['ref'] ?? '');
    const found = await call.repo.git.commit(sha);
    if (!found) throw new HttpError(422, `No commit found for SHA: ${sha}`);
    if (call.headers.accept?.includes('application/vnd.github.sha')) {
        return { status: 200, raw: found.sha, type: 'application/vnd.github.sha' };
    }
    const stat = found.parents[0]
        ? await call.repo.git.diffStat(found.parents[0], sha)
        : { additions: 0, deletions: 0 };
    return ok({
        ...commitShape(call.repo, found, call.forge.origin),
        files: [],
        stats: {
            total: stat.additions + stat.deletions,
            additions: stat.additions,
            deletions: stat.deletions,
        },
    });
}

async function contents(call: Call): Promise<Reply> {
    const { repo } = call;
    const ref = call.query.get('ref') ?? repo.defaultBranch;
    const sha = repo.git.resolve(ref);
    if (!sha) throw new HttpError(404, `No commit found for the ref ${ref}`);
    const path = (call.params['path'] ?? '').replace(/^\/+|\/+$/g, '');
    const found = await repo.git.object(path === '' ? `${sha}^{tree}` : `${sha}:${path}`);
    if (!found) throw notFound();
    if (found.type === 'tree') return folder(call, sha, path, ref);
    if (call.headers.accept?.includes('raw')) {
        return {
            status: 200,
            raw: found.data,
            type: 'application/vnd.github.raw+json; charset=utf-8',
        };
    }
    return ok({
        ...entry(call, path, found.oid, 'file', found.data.length, ref),
        encoding: 'base64',
        content: found.data.toString('base64').replace(/.{60}/g, '$&\n') + '\n',
    });
}

function entry(
    call: Call,
    path: string,
    oid: string,
    type: string,
    size: number,
    ref: string,
): Json {
    const base = repoUrl(call.repo, call.forge.origin);
    const html = `${call.forge.origin.html}/${fullName(call.repo)}`;
    const encoded = path.split('/').map(encodeURIComponent).join('/');
    const self = `${base}/contents/${encoded}?ref=${encodeURIComponent(ref)}`;
    const kind = type === 'dir' ? 'tree' : 'blob';
    const git = `${base}/git/${kind}s/${oid}`;
    const page = `${html}/${kind}/${encodeURIComponent(ref)}/${encoded}`;
    return {
        type,
        size,
        name: path.slice(path.lastIndexOf('/') + 1),
        path,
        sha: oid,
        url: self,
        git_url: git,
        html_url: page,
        download_url: type === 'dir' ? null : `${html}/raw/${encodeURIComponent(ref)}/${encoded}`,
        _links: { self, git, html: page },
    };
}

async function folder(call: Call, sha: string, path: string, ref: string): Promise<Reply> {
    const rows = await call.repo.git.list(sha, path);
    return ok(
        rows.map((row) =>
            entry(call, row.path, row.oid, row.type === 'tree' ? 'dir' : 'file', 0, ref),
        ),
    );
}

async function branch(call: Call): Promise<Reply> {
    const { repo } = call;
    const name = call.params['branch'] ?? '';
    const sha = repo.git.branch(name);
    const found = sha ? await repo.git.commit(sha) : undefined;
    if (!found) throw new HttpError(404, 'Branch not found');
    const url = `${repoUrl(repo, call.forge.origin)}/branches/${encodeURIComponent(name)}`;
    return ok({
        name,
        commit: commitShape(repo, found, call.forge.origin),
        protected: false,
        _links: { self: url, html: `${call.forge.origin.html}/${fullName(repo)}/tree/${name}` },
        protection: {
            enabled: false,
            required_status_checks: { enforcement_level: 'off', contexts: [], checks: [] },
        },
        protection_url: `${url}/protection`,
    });
}

function branches(call: Call): Reply {
    const { repo } = call;
    const rows = [...repo.git.refs].filter(([name]) => name.startsWith('refs/heads/'));
    return paged(
        call,
        rows.map(([name, sha]) => ({
            name: name.slice(11),
            protected: false,
            commit: { sha, url: `${repoUrl(repo, call.forge.origin)}/commits/${sha}` },
        })),
    );
}

function gitRef(call: Call): Reply {
    const { repo } = call;
    const ref = `refs/${call.params['ref'] ?? ''}`;
    const sha = repo.git.refs.get(ref);
    if (!sha) throw notFound();
    const url = `${repoUrl(repo, call.forge.origin)}/git`;
    return ok({
        ref,
        node_id: nodeId('REF', `${repo.id}:${ref}`),
        url: `${url}/${ref}`,
        object: { sha, type: 'commit', url: `${url}/commits/${sha}` },
    });
}

async function compare(call: Call): Promise<Reply> {
    const { repo } = call;
    const [base = '', head = ''] = (call.params['range'] ?? '').split('...');
    const baseSha = repo.git.resolve(base);
    const headSha = repo.git.resolve(head);
    if (!baseSha || !headSha) throw notFound();
    const mergeBase = await repo.git.mergeBase(baseSha, headSha);
    const commits = await Promise.all(
        [baseSha, mergeBase ?? baseSha, headSha].map((sha) => repo.git.commit(sha)),
    );
    const shapes = commits.map((one) => (one ? commitShape(repo, one, call.forge.origin) : null));
    const stat = await repo.git.diffStat(baseSha, headSha);
    const behind = (await repo.git.diffStat(headSha, baseSha)).commits;
    const status =
        stat.commits === 0
            ? behind === 0
                ? 'identical'
                : 'behind'
            : behind === 0
              ? 'ahead'
              : 'diverged';
    const url = `${repoUrl(repo, call.forge.origin)}/compare/${baseSha}...${headSha}`;
    const html = `${call.forge.origin.html}/${fullName(repo)}/compare/${baseSha}...${headSha}`;
    return ok({
        url,
        html_url: html,
        permalink_url: html,
        diff_url: `${html}.diff`,
        patch_url: `${html}.patch`,
        base_commit: shapes[0],
        merge_base_commit: shapes[1],
        status,
        ahead_by: stat.commits,
        behind_by: behind,
        total_commits: stat.commits,
        commits: stat.commits > 0 ? [shapes[2]] : [],
        files: stat.files.map((path) => fileShape(call, path, headSha)),
    });
}

export function fileShape(call: Call, path: string, sha: string): Json {
    const html = `${call.forge.origin.html}/${fullName(call.repo)}`;
    return {
        sha: '0'.repeat(40),
        filename: path,
        status: 'modified',
        additions: 1,
        deletions: 0,
        changes: 1,
        blob_url: `${html}/blob/${sha}/${encodeURIComponent(path)}`,
        raw_url: `${html}/raw/${sha}/${encodeURIComponent(path)}`,
        contents_url: `${repoUrl(call.repo, call.forge.origin)}/contents/${path}?ref=${sha}`,
        patch: '',
    };
}

function permission(call: Call): Reply {
    const { world, origin } = call.forge;
    const login = call.params['user'] ?? '';
    const user = world.users.get(login.toLowerCase());
    if (!user) throw notFound();
    const role = world.permissionOf(call.repo, login);
    const isAtLeast = (...roles: string[]) => roles.includes(role);
    return ok({
        permission: collapsed[role] ?? role,
        role_name: role,
        user: {
            ...userShape(user, origin),
            role_name: role,
            permissions: {
                admin: isAtLeast('admin'),
                maintain: isAtLeast('admin', 'maintain'),
                push: isAtLeast('admin', 'maintain', 'write'),
                triage: isAtLeast('admin', 'maintain', 'write', 'triage'),
                pull: role !== 'none',
            },
        },
    });
}

function statusCreate(call: Call): Reply {
    const { repo, token } = call;
    const body = bodyOf(call);
    const sha = call.params['sha'] ?? '';
    if (!repo.git.resolve(sha)) throw new HttpError(422, `No commit found for SHA: ${sha}`);
    const state = asString(body['state']) ?? '';
    if (!['error', 'failure', 'pending', 'success'].includes(state))
        throw invalid('Validation Failed', 'Status', 'state');
    const description = asString(body['description']) ?? null;
    if ((description ?? '').length > status_description_chars_max) {
        throw new HttpError(422, 'Validation Failed', [
            {
                resource: 'Status',
                code: 'custom',
                field: 'description',
                message: `description is too long (maximum is ${status_description_chars_max} characters)`,
            },
        ]);
    }
    const status = {
        id: call.forge.world.id('status', 38_000_000_001),
        sha,
        state,
        description,
        context: asString(body['context']) ?? 'default',
        targetUrl: asString(body['target_url']) ?? null,
        creator: token.actor,
        createdAt: call.nowMs,
    };
    repo.statuses.push(status);
    return ok(statusShape(repo, status, call.forge.origin), 201);
}

function environments(call: Call): Reply {
    const { repo } = call;
    const url = `${repoUrl(repo, call.forge.origin)}/environments`;
    const all = [...repo.environments.values()].map((one) => ({
        id: one.id,
        node_id: nodeId('EN', one.id),
        name: one.name,
        url: `${url}/${encodeURIComponent(one.name)}`,
        html_url: `${call.forge.origin.html}/${fullName(repo)}/deployments/activity_log?environments_filter=${encodeURIComponent(one.name)}`,
        created_at: iso(one.createdAt),
        updated_at: iso(one.createdAt),
        can_admins_bypass: true,
        protection_rules:
            one.reviewers.length === 0
                ? []
                : [
                      {
                          id: one.id + 1,
                          node_id: nodeId('GA', one.id),
                          type: 'required_reviewers',
                          prevent_self_review: false,
                          reviewers: one.reviewers.map((login) => ({
                              type: 'User',
                              reviewer: userShape(call.forge.world.user(login), call.forge.origin),
                          })),
                      },
                  ],
        deployment_branch_policy: null,
    }));
    return paged(call, all, (page) => ({ total_count: all.length, environments: page }));
}

export const repoRoutes: Route[] = [
    {
        method: 'GET',
        template: '/repos/:owner/:repo',
        auth: 'token',
        needs: 'metadata:read',
        handle: (call) => ok(repoFullShape(call.repo, call.forge.origin)),
    },
    {
        method: 'GET',
        template: '/repos/:owner/:repo/commits/*ref',
        auth: 'token',
        needs: 'contents:read',
        handle: commit,
    },
    {
        method: 'GET',
        template: '/repos/:owner/:repo/contents/*path',
        auth: 'token',
        needs: 'contents:read',
        handle: contents,
    },
    {
        method: 'GET',
        template: '/repos/:owner/:repo/contents',
        auth: 'token',
        needs: 'contents:read',
        handle: contents,
    },
    {
        method: 'GET',
        template: '/repos/:owner/:repo/branches',
        auth: 'token',
        needs: 'contents:read',
        handle: branches,
    },
    {
        method: 'GET',
        template: '/repos/:owner/:repo/branches/*branch',
        auth: 'token',
        needs: 'contents:read',
        handle: branch,
    },
    {
        method: 'GET',
        template: '/repos/:owner/:repo/git/ref/*ref',
        auth: 'token',
        needs: 'contents:read',
        handle: gitRef,
    },
    {
        method: 'GET',
        template: '/repos/:owner/:repo/compare/*range',
        auth: 'token',
        needs: 'contents:read',
        handle: compare,
    },
    {
        method: 'GET',
        template: '/repos/:owner/:repo/collaborators/:user/permission',
        auth: 'token',
        needs: 'metadata:read',
        handle: permission,
    },
    {
        method: 'POST',
        template: '/repos/:owner/:repo/statuses/:sha',
        auth: 'token',
        needs: 'statuses:write',
        handle: statusCreate,
    },
    {
        method: 'GET',
        template: '/repos/:owner/:repo/environments',
        auth: 'token',
        needs: 'actions:read',
        handle: environments,
    },
    {
        method: 'GET',
        template: '/repos/:owner/:repo/releases/:release',
        auth: 'token',
        needs: 'contents:read',
        handle: (call) => {
            const release = call.repo.releases.get(idParam(call, 'release'));
            if (!release) throw notFound();
            return ok(releaseShape(call.repo, release, call.forge.origin));
        },
    },
];
