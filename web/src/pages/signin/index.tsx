import { Button, Divider, PasswordInput, TextInput } from '@mantine/core';
import { IconBrandGithub } from '@tabler/icons-react';
import { useSearch } from '@tanstack/react-router';
import { useEffect, useState, type FormEvent } from 'react';
import { call, type Data } from '../../api/client.ts';
import {
    sessionKey,
    useOrder,
    useRead,
    queries,
    rememberSession,
    type Session,
} from '../../api/queries.ts';
import { Problem } from '../../app/problem.tsx';
import { useGo } from '../../parts/go.tsx';
import { Waiting } from '../../parts/page.tsx';
import { Door, nextOf } from './door.tsx';

/** What /auth/github/callback has to say (docs/openapi.yaml). */
const problems: Record<string, string> = {
    expired: 'Signing in took too long, or began in another browser. Try again.',
    denied: 'GitHub was not allowed to say who you are. Try again when you want to sign in.',
    github: 'GitHub did not say who you are. Try again; if it stays so, the log of the server says why.',
    stranger: 'Your GitHub account does not belong to a workspace here. Ask an owner to invite it by name.',
};

export default function SignIn() {
    const search = useSearch({ strict: false }) as Record<string, unknown>;
    const next = nextOf(search['next']);
    const go = useGo();
    const ways = useRead<Data<'howToSignIn'>>({ path: '/api/v1/sign-in', on: [] });
    useEffect(() => {
        // Somebody who is signed in already has no business here.
        void call<Session>('GET', '/api/v1/session').then(
            (session) => {
                rememberSession(session);
                go(next, true);
            },
            () => undefined,
        );
    }, [go, next]);
    return (
        <Door title="Sign in">
            {ways.isPending && <Waiting />}
            {ways.error && <Problem error={ways.error} again={() => void ways.refetch()} />}
            {typeof search['problem'] === 'string' && problems[search['problem']] && (
                <div className="callout" data-tone="bad" role="alert">
                    {problems[search['problem']]}
                </div>
            )}
            {ways.data?.needsWelcome && (
                <div className="callout" data-tone="wait">
                    Nobody has an account here yet. The server has printed a link to its log that
                    makes the first one; <span className="mono">signalbox bootstrap --link</span>{' '}
                    prints a new one.
                </div>
            )}
            {ways.data?.github && ways.data.githubUrl && (
                <Button
                    component="a"
                    href={`${ways.data.githubUrl}?next=${encodeURIComponent(next)}`}
                    size="sm"
                    leftSection={<IconBrandGithub size={18} aria-hidden />}
                >
                    Sign in with GitHub
                </Button>
            )}
            {ways.data?.github && ways.data.local && <Divider label="or" />}
            {ways.data?.local && !ways.data.needsWelcome && (
                <ByPassword isFirst={!ways.data.github} done={() => go(next, true)} />
            )}
        </Door>
    );
}

function ByPassword(props: { isFirst: boolean; done: () => void }) {
    const [name, setName] = useState('');
    const [password, setPassword] = useState('');
    const signIn = useOrder<Session, void>(
        () => ({ method: 'POST', path: '/api/v1/session', body: { name, password } }),
        (session) => {
            queries.removeQueries({ queryKey: sessionKey });
            rememberSession(session);
            props.done();
        },
    );
    const send = (event: FormEvent) => {
        event.preventDefault();
        signIn.mutate();
    };
    return (
        <form onSubmit={send} className="door-form">
            <TextInput
                label="Name"
                size="sm"
                autoComplete="username"
                autoFocus
                required
                withAsterisk={false}
                value={name}
                onChange={(event) => setName(event.currentTarget.value)}
            />
            <PasswordInput
                label="Password"
                size="sm"
                autoComplete="current-password"
                required
                withAsterisk={false}
                value={password}
                onChange={(event) => setPassword(event.currentTarget.value)}
            />
            {signIn.error && <Problem error={signIn.error} title="Not signed in" />}
            <Button
                type="submit"
                size="sm"
                variant={props.isFirst ? 'filled' : 'default'}
                disabled={name === '' || password === ''}
                aria-busy={signIn.isPending}
            >
                {signIn.isPending ? 'Signing in…' : 'Sign in'}
            </Button>
        </form>
    );
}
