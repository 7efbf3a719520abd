import type { Comment, Pull, Review } from '../model.ts';
import { bodyOf, idParam, ok, paged, type Call, type Reply, type Route } from '../router.ts';
import { userShape } from '../shapes.ts';
import {
    commentShape,
    issueShape,
    pullShape,
    pullSimpleShape,
    reviewShape,
} from '../shapes-pull.ts';
import { asString, HttpError, iso, nodeId, type Json } from '../util.ts';
import { fileShape } from './repos.ts';

const reactions = ['+1', '-1', 'laugh', 'confused', 'heart', 'hooray', 'rocket', 'eyes'];
const review_states: Record<string, string> = {
    APPROVE: 'APPROVED',
    REQUEST_CHANGES: 'CHANGES_REQUESTED',
    COMMENT: 'COMMENTED',
};

function pullOf(call: Call, name = 'number'): Pull {
    return call.forge.people.pull(call.repo, idParam(call, name));
}

/** The newer API version has dropped two fields. */
function versioned(call: Call, shape: Json): Json {
    if (call.headers['x-github-api-version'] !== '2026-03-10') return shape;
    delete shape['merge_commit_sha'];
    delete shape['assignee'];
    return shape;
}

function pullList(call: Call): Reply {
    const state = call.query.get('state') ?? 'open';
    const head = call.query.get('head');
    const base = call.query.get('base');
    const found = [...call.repo.pulls.values()]
        .reverse()
        .filter(
            (pull) =>
                (state === 'all' || pull.state === state) &&
                (head === null ||
                    `${call.repo.owner.login}:${pull.headRef}`.toLowerCase() ===
                        head.toLowerCase()) &&
                (base === null || pull.baseRef === base),
        );
    return paged(
        call,
        found.map((pull) => versioned(call, pullSimpleShape(call.repo, pull, call.forge.origin))),
    );
}

/** Open ones that contain the commit as their head, merged ones that it came from. */
function pullsOfCommit(call: Call): Reply {
    const sha = call.params['ref'] ?? '';
    const found = [...call.repo.pulls.values()].filter(
        (pull) => pull.headSha === sha || pull.mergeSha === sha,
    );
    return paged(
        call,
        found.map((pull) => versioned(call, pullSimpleShape(call.repo, pull, call.forge.origin))),
    );
}

function commentOf(call: Call): Comment {
    return call.forge.people.liveComment(call.repo, idParam(call, 'comment'));
}

function shapeOf(call: Call, comment: Comment): Json {
    const shape = commentShape(call.repo, comment, call.forge.world.app, call.forge.origin);
    if (call.forge.lies.has('thin-comment')) return { id: comment.id, body: comment.body };
    return shape;
}

function textOf(call: Call): string {
    const body = asString(bodyOf(call)['body']);
    if (body === undefined)
        throw new HttpError(422, 'Invalid request.\n\n"body" wasn\'t supplied.');
    return body;
}

function commentCreate(call: Call): Reply {
    const number = idParam(call, 'number');
    const comment = call.forge.people.comment(
        call.repo,
        number,
        textOf(call),
        call.token.actor,
        call.token.viaApp,
    );
    return ok(shapeOf(call, comment), 201);
}

async function commentEdit(call: Call): Promise<Reply> {
    const comment = commentOf(call);
    const referee = call.forge.referee;
    const key = String(comment.id);
    referee.commentWriteBegins(key);
    try {
        call.forge.people.editComment(call.repo, comment, textOf(call), call.token.actor);
        await new Promise((done) => setImmediate(done));
        return ok(shapeOf(call, comment));
    } finally {
        referee.commentWriteEnds(key);
    }
}

function commentList(call: Call): Reply {
    const number = idParam(call, 'number');
    call.forge.people.pull(call.repo, number);
    const since = Date.parse(call.query.get('since') ?? '1970-01-01T00:00:00Z');
    const all = [...call.repo.comments.values()].filter(
        (one) => one.number === number && !one.deleted && one.updatedAt >= since,
    );
    return paged(
        call,
        all.map((one) => shapeOf(call, one)),
    );
}

function commentDelete(call: Call): Reply {
    call.forge.people.deleteComment(call.repo, commentOf(call), call.token.actor);
    return { status: 204 };
}

function react(call: Call): Reply {
    const comment = commentOf(call);
    const content = asString(bodyOf(call)['content']) ?? '';
    if (!reactions.includes(content))
        throw new HttpError(422, 'Validation Failed', [
            { resource: 'Reaction', field: 'content', code: 'invalid' },
        ]);
    const actor = call.token.actor;
    const known = comment.reactions.find((one) => one.user === actor && one.content === content);
    const reaction = known ?? {
        id: call.forge.world.id('reaction', 330_000_001),
        user: actor,
        content,
        at: call.nowMs,
    };
    if (!known) comment.reactions.push(reaction);
    return ok(
        {
            id: reaction.id,
            node_id: nodeId('REA', reaction.id),
            user: userShape(actor, call.forge.origin),
            content,
            created_at: iso(reaction.at),
        },
        known ? 200 : 201,
    );
}

function review(call: Call): Reply {
    const pull = pullOf(call);
    const body = bodyOf(call);
    const event = asString(body['event']) ?? 'PENDING';
    const text = asString(body['body']) ?? '';
    if ((event === 'REQUEST_CHANGES' || event === 'COMMENT') && text === '') {
        throw new HttpError(422, 'Unprocessable Entity: body is required');
    }
    const made: Review = {
        id: call.forge.world.id('review', 3_100_000_001),
        user: call.token.actor,
        body: text,
        state: review_states[event] ?? 'PENDING',
        commitId: asString(body['commit_id']) ?? pull.headSha,
        submittedAt: call.nowMs,
        viaApp: call.token.viaApp,
        event,
    };
    pull.reviews.push(made);
    return ok(reviewShape(call.repo, pull, made, call.forge.origin));
}

function dismiss(call: Call): Reply {
    const pull = pullOf(call);
    const found = pull.reviews.find((one) => one.id === idParam(call, 'review'));
    if (!found) throw new HttpError(404, 'Not Found');
    found.state = 'DISMISSED';
    return ok(reviewShape(call.repo, pull, found, call.forge.origin));
}

function issueOf(call: Call): Reply {
    return ok(issueShape(call.repo, pullOf(call), call.forge.origin));
}

const base = '/repos/:owner/:repo';
const comment_write = 'issues:write or pull_requests:write';
const comment_read = 'issues:read or pull_requests:read';

export const pullRoutes: Route[] = [
    {
        method: 'GET',
        template: `${base}/pulls`,
        auth: 'token',
        needs: 'pull_requests:read',
        handle: pullList,
    },
    {
        method: 'GET',
        template: `${base}/pulls/:number`,
        auth: 'token',
        needs: 'pull_requests:read',
        handle: (call) =>
            ok(versioned(call, pullShape(call.repo, pullOf(call), call.forge.origin, call.nowMs))),
    },
    {
        method: 'GET',
        template: `${base}/pulls/:number/files`,
        auth: 'token',
        needs: 'pull_requests:read',
        handle: (call) => {
            const pull = pullOf(call);
            return paged(
                call,
                pull.files.map((path) => fileShape(call, path, pull.headSha)),
            );
        },
    },
    {
        method: 'GET',
        template: `${base}/commits/:ref/pulls`,
        auth: 'token',
        needs: 'pull_requests:read',
        handle: pullsOfCommit,
    },
    {
        method: 'GET',
        template: `${base}/pulls/:number/reviews`,
        auth: 'token',
        needs: 'pull_requests:read',
        handle: (call) => {
            const pull = pullOf(call);
            return paged(
                call,
                pull.reviews.map((one) => reviewShape(call.repo, pull, one, call.forge.origin)),
            );
        },
    },
    {
        method: 'POST',
        template: `${base}/pulls/:number/reviews`,
        auth: 'token',
        needs: 'pull_requests:write',
        content: true,
        handle: review,
    },
    {
        method: 'PUT',
        template: `${base}/pulls/:number/reviews/:review/dismissals`,
        auth: 'token',
        needs: 'pull_requests:write',
        handle: dismiss,
    },
    {
        method: 'GET',
        template: `${base}/issues/:number/comments`,
        auth: 'token',
        needs: comment_read,
        handle: commentList,
    },
    {
        method: 'POST',
        template: `${base}/issues/:number/comments`,
        auth: 'token',
        needs: comment_write,
        content: true,
        handle: commentCreate,
    },
    {
        method: 'GET',
        template: `${base}/issues/comments/:comment`,
        auth: 'token',
        needs: comment_read,
        handle: (call) => ok(shapeOf(call, commentOf(call))),
    },
    {
        method: 'PATCH',
        template: `${base}/issues/comments/:comment`,
        auth: 'token',
        needs: comment_write,
        handle: commentEdit,
    },
    {
        method: 'DELETE',
        template: `${base}/issues/comments/:comment`,
        auth: 'token',
        needs: comment_write,
        handle: commentDelete,
    },
    {
        method: 'POST',
        template: `${base}/issues/comments/:comment/reactions`,
        auth: 'token',
        needs: comment_write,
        handle: react,
    },
    {
        method: 'GET',
        template: `${base}/issues/:number`,
        auth: 'token',
        needs: comment_read,
        handle: issueOf,
    },
];
