import type { App, Comment, Pull, Release, Repo, Review } from './model.ts';
import { fullName } from './model.ts';
import { repoShape, repoUrl, userShape, appShape, type Origin } from './shapes.ts';
import { iso, isoOrNull, nodeId, type Json } from './util.ts';

function side(repo: Repo | null, ref: string, sha: string, pull: Pull, at: Origin): Json {
    const owner = repo?.owner ?? pull.user;
    return {
        label: `${owner.login}:${ref}`,
        ref,
        sha,
        user: userShape(owner, at),
        repo: repo ? repoShape(repo, at) : null,
    };
}

export function pullSimpleShape(repo: Repo, pull: Pull, at: Origin): Json {
    const url = `${repoUrl(repo, at)}/pulls/${pull.number}`;
    const issue = `${repoUrl(repo, at)}/issues/${pull.number}`;
    const html = `${at.html}/${fullName(repo)}/pull/${pull.number}`;
    const statuses = `${repoUrl(repo, at)}/statuses/${pull.headSha}`;
    const comment = `${repoUrl(repo, at)}/pulls/comments{/number}`;
    return {
        url,
        id: pull.id,
        node_id: nodeId('PR', pull.id),
        html_url: html,
        diff_url: `${html}.diff`,
        patch_url: `${html}.patch`,
        issue_url: issue,
        number: pull.number,
        state: pull.state,
        locked: pull.locked,
        title: pull.title,
        user: userShape(pull.user, at),
        body: pull.body,
        created_at: iso(pull.createdAt),
        updated_at: iso(pull.updatedAt),
        closed_at: isoOrNull(pull.closedAt),
        merged_at: isoOrNull(pull.mergedAt),
        merge_commit_sha: pull.mergeSha,
        assignee: null,
        assignees: [],
        requested_reviewers: [],
        requested_teams: [],
        milestone: null,
        draft: pull.draft,
        labels: pull.labels.map((label) => ({
            id: label.id,
            node_id: nodeId('LA', label.id),
            name: label.name,
            color: label.color,
            url: `${repoUrl(repo, at)}/labels/${encodeURIComponent(label.name)}`,
            default: false,
            description: '',
        })),
        commits_url: `${url}/commits`,
        review_comments_url: `${url}/comments`,
        review_comment_url: comment,
        comments_url: `${issue}/comments`,
        statuses_url: statuses,
        head: side(pull.headRepo, pull.headRef, pull.headSha, pull, at),
        base: side(repo, pull.baseRef, pull.baseSha, pull, at),
        _links: {
            self: { href: url },
            html: { href: html },
            issue: { href: issue },
            comments: { href: `${issue}/comments` },
            review_comments: { href: `${url}/comments` },
            review_comment: { href: comment },
            commits: { href: `${url}/commits` },
            statuses: { href: statuses },
        },
        author_association: pull.association,
        auto_merge: null,
        active_lock_reason: null,
    };
}

export function pullShape(repo: Repo, pull: Pull, at: Origin, nowMs: number): Json {
    const isKnown = pull.state === 'closed' || nowMs >= pull.mergeableAt;
    const comments = [...repo.comments.values()].filter(
        (one) => one.number === pull.number && !one.deleted,
    );
    return {
        ...pullSimpleShape(repo, pull, at),
        merged: pull.merged,
        mergeable: pull.state === 'open' && isKnown ? pull.mergeSha !== null : null,
        rebaseable: null,
        mergeable_state: pull.draft
            ? 'draft'
            : isKnown && pull.state === 'open'
              ? 'clean'
              : 'unknown',
        merged_by: pull.mergedBy ? userShape(pull.mergedBy, at) : null,
        comments: comments.length,
        review_comments: 0,
        maintainer_can_modify: false,
        commits: pull.commits,
        additions: pull.additions,
        deletions: pull.deletions,
        changed_files: pull.files.length,
    };
}

/** The short form inside runs and checks; empty for forks, as on GitHub. */
export function pullMinimalShapes(repo: Repo, sha: string, at: Origin): Json[] {
    const found: Json[] = [];
    for (const pull of repo.pulls.values()) {
        if (pull.state !== 'open' || pull.headSha !== sha || pull.headRepo !== repo) continue;
        const inside = { id: repo.id, url: repoUrl(repo, at), name: repo.name };
        found.push({
            url: `${repoUrl(repo, at)}/pulls/${pull.number}`,
            id: pull.id,
            number: pull.number,
            head: { ref: pull.headRef, sha: pull.headSha, repo: inside },
            base: { ref: pull.baseRef, sha: pull.baseSha, repo: inside },
        });
    }
    return found;
}

function reactionRollup(comment: Comment, url: string): Json {
    const rollup: Json = {
        url: `${url}/reactions`,
        total_count: comment.reactions.length,
        '+1': 0,
        '-1': 0,
        laugh: 0,
        hooray: 0,
        confused: 0,
        heart: 0,
        rocket: 0,
        eyes: 0,
    };
    for (const one of comment.reactions) rollup[one.content] = Number(rollup[one.content] ?? 0) + 1;
    return rollup;
}

export function commentShape(repo: Repo, comment: Comment, app: App, at: Origin): Json {
    const url = `${repoUrl(repo, at)}/issues/comments/${comment.id}`;
    return {
        url,
        html_url: `${at.html}/${fullName(repo)}/pull/${comment.number}#issuecomment-${comment.id}`,
        issue_url: `${repoUrl(repo, at)}/issues/${comment.number}`,
        id: comment.id,
        node_id: nodeId('IC', comment.id),
        user: userShape(comment.user, at),
        created_at: iso(comment.createdAt),
        updated_at: iso(comment.updatedAt),
        body: comment.body,
        author_association: comment.association,
        reactions: reactionRollup(comment, url),
        performed_via_github_app: comment.viaApp ? appShape(app, at) : null,
    };
}

/** A pull request seen as an issue: what issue_comment carries. */
export function issueShape(repo: Repo, pull: Pull, at: Origin): Json {
    const url = `${repoUrl(repo, at)}/issues/${pull.number}`;
    const html = `${at.html}/${fullName(repo)}/pull/${pull.number}`;
    const comments = [...repo.comments.values()].filter(
        (one) => one.number === pull.number && !one.deleted,
    );
    return {
        url,
        repository_url: repoUrl(repo, at),
        labels_url: `${url}/labels{/name}`,
        comments_url: `${url}/comments`,
        events_url: `${url}/events`,
        html_url: html,
        id: pull.id + 1,
        node_id: nodeId('PR', pull.id),
        number: pull.number,
        title: pull.title,
        user: userShape(pull.user, at),
        labels: pullSimpleShape(repo, pull, at)['labels'],
        state: pull.state,
        locked: pull.locked,
        assignee: null,
        assignees: [],
        milestone: null,
        comments: comments.length,
        created_at: iso(pull.createdAt),
        updated_at: iso(pull.updatedAt),
        closed_at: isoOrNull(pull.closedAt),
        author_association: pull.association,
        active_lock_reason: null,
        draft: pull.draft,
        body: pull.body,
        performed_via_github_app: null,
        state_reason: null,
        timeline_url: `${url}/timeline`,
        pull_request: {
            url: `${repoUrl(repo, at)}/pulls/${pull.number}`,
            html_url: html,
            diff_url: `${html}.diff`,
            patch_url: `${html}.patch`,
            merged_at: isoOrNull(pull.mergedAt),
        },
        reactions: {
            url: `${url}/reactions`,
            total_count: 0,
            '+1': 0,
            '-1': 0,
            laugh: 0,
            hooray: 0,
            confused: 0,
            heart: 0,
            rocket: 0,
            eyes: 0,
        },
    };
}

export function reviewShape(repo: Repo, pull: Pull, review: Review, at: Origin): Json {
    const html = `${at.html}/${fullName(repo)}/pull/${pull.number}#pullrequestreview-${review.id}`;
    const url = `${repoUrl(repo, at)}/pulls/${pull.number}`;
    return {
        id: review.id,
        node_id: nodeId('PRR', review.id),
        user: userShape(review.user, at),
        body: review.body,
        state: review.state,
        html_url: html,
        pull_request_url: url,
        author_association: 'NONE',
        submitted_at: iso(review.submittedAt),
        commit_id: review.commitId,
        _links: { html: { href: html }, pull_request: { href: url } },
    };
}

export function releaseShape(repo: Repo, release: Release, at: Origin): Json {
    const url = `${repoUrl(repo, at)}/releases/${release.id}`;
    const html = `${at.html}/${fullName(repo)}/releases/tag/${release.tag}`;
    return {
        url,
        assets_url: `${url}/assets`,
        upload_url: `${url}/assets{?name,label}`,
        html_url: html,
        id: release.id,
        author: userShape(release.author, at),
        node_id: nodeId('RE', release.id),
        tag_name: release.tag,
        target_commitish: release.target,
        name: release.name,
        draft: release.draft,
        immutable: false,
        prerelease: release.prerelease,
        created_at: iso(release.createdAt),
        updated_at: iso(release.createdAt),
        published_at: isoOrNull(release.publishedAt),
        assets: [],
        tarball_url: `${repoUrl(repo, at)}/tarball/${release.tag}`,
        zipball_url: `${repoUrl(repo, at)}/zipball/${release.tag}`,
        body: release.body,
    };
}
