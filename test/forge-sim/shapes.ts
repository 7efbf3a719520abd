import type { App, Installation, Repo, User } from './model.ts';
import { fullName } from './model.ts';
import type { Commit } from './git.ts';
import { iso, isoOrNull, nodeId, type Json } from './util.ts';

/** Where the forge's own addresses begin; the port is known only after listening. */
export interface Origin {
    api: string;
    html: string;
}

export function userShape(user: User, at: Origin): Json {
    const url = `${at.api}/users/${encodeURIComponent(user.login)}`;
    return {
        login: user.login,
        id: user.id,
        node_id: nodeId('U', user.id),
        avatar_url: `${at.html}/avatars/u/${user.id}?v=4`,
        gravatar_id: '',
        url,
        html_url: `${at.html}/${user.type === 'Bot' ? 'apps/' + user.login.replace('[bot]', '') : user.login}`,
        followers_url: `${url}/followers`,
        following_url: `${url}/following{/other_user}`,
        gists_url: `${url}/gists{/gist_id}`,
        starred_url: `${url}/starred{/owner}{/repo}`,
        subscriptions_url: `${url}/subscriptions`,
        organizations_url: `${url}/orgs`,
        repos_url: `${url}/repos`,
        events_url: `${url}/events{/privacy}`,
        received_events_url: `${url}/received_events`,
        type: user.type,
        user_view_type: 'public',
        site_admin: false,
    };
}

export function organizationShape(user: User, at: Origin): Json {
    const url = `${at.api}/orgs/${user.login}`;
    return {
        login: user.login,
        id: user.id,
        node_id: nodeId('O', user.id),
        url,
        repos_url: `${url}/repos`,
        events_url: `${url}/events`,
        hooks_url: `${url}/hooks`,
        issues_url: `${url}/issues`,
        members_url: `${url}/members{/member}`,
        public_members_url: `${url}/public_members{/member}`,
        avatar_url: `${at.html}/avatars/u/${user.id}?v=4`,
        description: null,
    };
}

export function repoUrl(repo: Repo, at: Origin): string {
    return `${at.api}/repos/${fullName(repo)}`;
}

export function repoMinimalShape(repo: Repo, at: Origin): Json {
    const url = repoUrl(repo, at);
    return {
        id: repo.id,
        node_id: nodeId('R', repo.id),
        name: repo.name,
        full_name: fullName(repo),
        private: repo.isPrivate,
        owner: userShape(repo.owner, at),
        html_url: `${at.html}/${fullName(repo)}`,
        description: null,
        fork: repo.isFork,
        url,
        forks_url: `${url}/forks`,
        keys_url: `${url}/keys{/key_id}`,
        collaborators_url: `${url}/collaborators{/collaborator}`,
        teams_url: `${url}/teams`,
        hooks_url: `${url}/hooks`,
        issue_events_url: `${url}/issues/events{/number}`,
        events_url: `${url}/events`,
        assignees_url: `${url}/assignees{/user}`,
        branches_url: `${url}/branches{/branch}`,
        tags_url: `${url}/tags`,
        blobs_url: `${url}/git/blobs{/sha}`,
        git_tags_url: `${url}/git/tags{/sha}`,
        git_refs_url: `${url}/git/refs{/sha}`,
        trees_url: `${url}/git/trees{/sha}`,
        statuses_url: `${url}/statuses/{sha}`,
        languages_url: `${url}/languages`,
        stargazers_url: `${url}/stargazers`,
        contributors_url: `${url}/contributors`,
        subscribers_url: `${url}/subscribers`,
        subscription_url: `${url}/subscription`,
        commits_url: `${url}/commits{/sha}`,
        git_commits_url: `${url}/git/commits{/sha}`,
        comments_url: `${url}/comments{/number}`,
        issue_comment_url: `${url}/issues/comments{/number}`,
        contents_url: `${url}/contents/{+path}`,
        compare_url: `${url}/compare/{base}...{head}`,
        merges_url: `${url}/merges`,
        archive_url: `${url}/{archive_format}{/ref}`,
        downloads_url: `${url}/downloads`,
        issues_url: `${url}/issues{/number}`,
        pulls_url: `${url}/pulls{/number}`,
        milestones_url: `${url}/milestones{/number}`,
        notifications_url: `${url}/notifications{?since,all,participating}`,
        labels_url: `${url}/labels{/name}`,
        releases_url: `${url}/releases{/id}`,
        deployments_url: `${url}/deployments`,
    };
}

export function repoShape(repo: Repo, at: Origin): Json {
    const name = fullName(repo);
    const open = [...repo.pulls.values()].filter((pull) => pull.state === 'open').length;
    return {
        ...repoMinimalShape(repo, at),
        created_at: iso(repo.createdAt),
        updated_at: iso(repo.updatedAt),
        pushed_at: iso(repo.pushedAt),
        git_url: `${at.html.replace(/^http/, 'git')}/${name}.git`,
        ssh_url: `git@127.0.0.1:${name}.git`,
        clone_url: `${at.html}/${name}.git`,
        svn_url: `${at.html}/${name}`,
        homepage: null,
        size: 108,
        stargazers_count: 0,
        watchers_count: 0,
        language: 'HCL',
        has_issues: true,
        has_projects: true,
        has_downloads: true,
        has_wiki: false,
        has_pages: false,
        has_discussions: false,
        forks_count: 0,
        mirror_url: null,
        archived: repo.archived,
        disabled: false,
        open_issues_count: open,
        license: null,
        allow_forking: true,
        is_template: false,
        web_commit_signoff_required: false,
        topics: [],
        visibility: repo.isPrivate ? 'private' : 'public',
        forks: 0,
        open_issues: open,
        watchers: 0,
        default_branch: repo.defaultBranch,
        custom_properties: {},
    };
}

export function repoFullShape(repo: Repo, at: Origin): Json {
    return {
        ...repoShape(repo, at),
        temp_clone_token: null,
        allow_squash_merge: true,
        allow_merge_commit: true,
        allow_rebase_merge: true,
        allow_auto_merge: false,
        delete_branch_on_merge: false,
        network_count: 0,
        subscribers_count: 1,
        permissions: { admin: false, maintain: false, push: true, triage: true, pull: true },
    };
}

export function appShape(app: App, at: Origin): Json {
    return {
        id: app.id,
        client_id: app.clientId,
        slug: app.slug,
        node_id: nodeId('A', app.id),
        owner: userShape(app.owner, at),
        name: app.name,
        description: '',
        external_url: app.externalUrl,
        html_url: `${at.html}/apps/${app.slug}`,
        created_at: iso(app.createdAt),
        updated_at: iso(app.createdAt),
        permissions: app.permissions,
        events: app.events,
    };
}

export function actionsAppShape(at: Origin): Json {
    const owner: User = { id: 9919, login: 'github', type: 'Organization', name: 'GitHub' };
    return {
        id: 15368,
        client_id: 'Iv1.05c79e9ad1f6bdfa',
        slug: 'github-actions',
        node_id: nodeId('A', 15368),
        owner: userShape(owner, at),
        name: 'GitHub Actions',
        description: 'Automate your workflow',
        external_url: 'https://help.github.com/en/actions',
        html_url: `${at.html}/apps/github-actions`,
        created_at: '2018-07-30T09:30:17Z',
        updated_at: '2025-12-11T18:47:22Z',
        permissions: { actions: 'write', checks: 'write', contents: 'write', metadata: 'read' },
        events: [],
    };
}

export function installationShape(one: Installation, app: App, at: Origin): Json {
    return {
        id: one.id,
        client_id: app.clientId,
        account: userShape(one.account, at),
        repository_selection: 'selected',
        access_tokens_url: `${at.api}/app/installations/${one.id}/access_tokens`,
        repositories_url: `${at.api}/installation/repositories`,
        html_url: `${at.html}/organizations/${one.account.login}/settings/installations/${one.id}`,
        app_id: app.id,
        app_slug: app.slug,
        target_id: one.account.id,
        target_type: one.account.type,
        permissions: one.permissions,
        events: one.events,
        created_at: iso(one.createdAt),
        updated_at: iso(one.createdAt),
        single_file_name: null,
        has_multiple_single_files: false,
        single_file_paths: [],
        suspended_by: null,
        suspended_at: isoOrNull(one.suspendedAt),
    };
}

export function repoTinyShape(repo: Repo): Json {
    return {
        id: repo.id,
        node_id: nodeId('R', repo.id),
        name: repo.name,
        full_name: fullName(repo),
        private: repo.isPrivate,
    };
}

/** The commit inside webhooks and runs. */
export function commitSimpleShape(commit: Commit): Json {
    return {
        id: commit.sha,
        tree_id: commit.tree,
        message: commit.message,
        timestamp: commit.committer.date,
        author: { name: commit.author.name, email: commit.author.email },
        committer: { name: commit.committer.name, email: commit.committer.email },
    };
}

export function commitShape(repo: Repo, commit: Commit, at: Origin): Json {
    const url = repoUrl(repo, at);
    const html = `${at.html}/${fullName(repo)}`;
    return {
        sha: commit.sha,
        node_id: nodeId('C', commit.sha),
        commit: {
            author: commit.author,
            committer: commit.committer,
            message: commit.message,
            tree: { sha: commit.tree, url: `${url}/git/trees/${commit.tree}` },
            url: `${url}/git/commits/${commit.sha}`,
            comment_count: 0,
            verification: {
                verified: false,
                reason: 'unsigned',
                signature: null,
                payload: null,
                verified_at: null,
            },
        },
        url: `${url}/commits/${commit.sha}`,
        html_url: `${html}/commit/${commit.sha}`,
        comments_url: `${url}/commits/${commit.sha}/comments`,
        author: {},
        committer: {},
        parents: commit.parents.map((sha) => ({
            sha,
            url: `${url}/commits/${sha}`,
            html_url: `${html}/commit/${sha}`,
        })),
    };
}
