/* Behind a link that works once: of the first start, or an invitation. The code stands in the fragment, which no server and no log sees. */
import { Button, PasswordInput, TextInput } from '@mantine/core';
import { IconBrandGithub } from '@tabler/icons-react';
import { useLocation } from '@tanstack/react-router';
import { useState, type FormEvent } from 'react';
import { ApiError, type Data } from '../../api/client.ts';
import {
    queries,
    rememberSession,
    sessionKey,
    useOrder,
    useRead,
    type Session,
} from '../../api/queries.ts';
import { Problem } from '../../app/problem.tsx';
import { paths } from '../../app/paths.ts';
import { Go, useGo } from '../../parts/go.tsx';
import { Waiting } from '../../parts/page.tsx';
import { Name } from '../../parts/text.tsx';
import { Door } from './door.tsx';

const password_min = 10;

export default function Welcome() {
    const { hash } = useLocation();
    const code = new URLSearchParams(hash.replace(/^#/, '')).get('code') ?? '';
    const invitation = useRead<Data<'readInvitation'>>({
        path: '/api/v1/welcome',
        query: { code },
        on: [],
        enabled: code !== '',
    });
    const isSpent = invitation.error instanceof ApiError && invitation.error.status === 404;
    if (code === '' || isSpent)
        return (
            <Door title="This link does not work any more">
                <p>
                    A welcome link works once and for a limited time. Ask who invited you for
                    another one. On a server without any account,{' '}
                    <span className="mono">signalbox bootstrap --link</span> prints a new one.
                </p>
                <Go to={paths.signIn()}>To the sign-in page</Go>
            </Door>
        );
    if (invitation.error)
        return (
            <Door title="Welcome">
                <Problem error={invitation.error} again={() => void invitation.refetch()} />
            </Door>
        );
    if (!invitation.data)
        return (
            <Door title="Welcome">
                <Waiting />
            </Door>
        );
    const { invitedBy, workspace, role, source, login } = invitation.data;
    const sub =
        invitedBy === null ? (
            <>
                This makes the first account of this server. It owns the workspace and invites the
                others.
            </>
        ) : (
            <>
                <Name>{invitedBy}</Name> invites you to{' '}
                <Name>{workspace.name || 'the workspace'}</Name> as {role}.
            </>
        );
    return (
        <Door title="Welcome" sub={sub}>
            {source === 'github' ? <WithGitHub login={login ?? ''} /> : <NewAccount code={code} />}
        </Door>
    );
}

function WithGitHub(props: { login: string }) {
    return (
        <>
            <p>
                The invitation is for <Name>{props.login}</Name> at GitHub: sign in there, and you
                are in.
            </p>
            <Button
                component="a"
                href="/auth/github?next=/"
                size="sm"
                leftSection={<IconBrandGithub size={18} aria-hidden />}
            >
                Sign in with GitHub
            </Button>
        </>
    );
}

function NewAccount(props: { code: string }) {
    const go = useGo();
    const [name, setName] = useState('');
    const [password, setPassword] = useState('');
    const isShort = password !== '' && [...password].length < password_min;
    const accept = useOrder<Session, void>(
        () => ({
            method: 'POST',
            path: '/api/v1/welcome',
            body: { code: props.code, name: name.trim(), password },
        }),
        (session) => {
            queries.removeQueries({ queryKey: sessionKey });
            rememberSession(session);
            go(session.role === 'owner' ? paths.start() : paths.now(), true);
        },
    );
    const send = (event: FormEvent) => {
        event.preventDefault();
        accept.mutate();
    };
    return (
        <form onSubmit={send} className="door-form">
            <TextInput
                label="Name"
                description="What you sign in with, and what others see."
                size="sm"
                autoComplete="username"
                autoFocus
                required
                withAsterisk={false}
                maxLength={100}
                value={name}
                onChange={(event) => setName(event.currentTarget.value)}
            />
            <PasswordInput
                label="Password"
                description={`At least ${password_min} characters; a few words that nobody guesses are best.`}
                size="sm"
                autoComplete="new-password"
                required
                withAsterisk={false}
                error={
                    isShort ? `${password_min - [...password].length} more characters` : undefined
                }
                value={password}
                onChange={(event) => setPassword(event.currentTarget.value)}
            />
            {accept.error && <Problem error={accept.error} title="The account was not made" />}
            <Button
                type="submit"
                size="sm"
                disabled={name.trim() === '' || password === '' || isShort}
                aria-busy={accept.isPending}
            >
                {accept.isPending ? 'Making it…' : 'Make the account'}
            </Button>
        </form>
    );
}
