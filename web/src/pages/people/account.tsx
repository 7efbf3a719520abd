import { Button, Group, PasswordInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useState, type FormEvent } from 'react';
import type { Page as Listed, Schemas } from '../../api/client.ts';
import { queries, useOrder, useRead, useSession } from '../../api/queries.ts';
import { Problem } from '../../app/problem.tsx';
import { Initials } from '../../app/shell.tsx';
import { browserOf } from '../../logic/agents.ts';
import { ActButton } from '../../parts/confirm.tsx';
import { Page, Waiting } from '../../parts/page.tsx';
import { Name } from '../../parts/text.tsx';
import { Ago } from '../../parts/time.tsx';

type BrowserSession = Schemas['PersonSession'];

export default function Account() {
    const session = useSession();
    const { person } = session;
    return (
        <Page title="Your account" isNarrow>
            <Group gap={10}>
                <Initials name={person?.name || session.token?.name || '?'} size={40} />
                <div>
                    <strong>
                        <Name>{person?.name || person?.login || session.token?.name || ''}</Name>
                    </strong>
                    <div className="quiet">
                        {person === null
                            ? 'an API token'
                            : person.source === 'github'
                              ? 'signs in with GitHub'
                              : 'signs in with a password'}
                        , {session.role} of{' '}
                        <Name>{session.workspace.name || 'this workspace'}</Name>
                    </div>
                </div>
            </Group>
            {person && <Sessions />}
            {person?.source === 'local' && <Password />}
        </Page>
    );
}

function Sessions() {
    const read = { path: '/api/v1/sessions', on: ['members' as const] };
    const sessions = useRead<Listed<BrowserSession>>(read);
    const again = () => void queries.invalidateQueries({ queryKey: [read.path] });
    return (
        <section aria-labelledby="sessions">
            <h2 id="sessions">Where you are signed in</h2>
            {sessions.isPending && <Waiting />}
            {sessions.error && (
                <Problem error={sessions.error} again={() => void sessions.refetch()} />
            )}
            {sessions.data && (
                <ul className="few">
                    {sessions.data.items.map((one) => (
                        <li key={one.id}>
                            <div>
                                <strong title={one.agent}>{browserOf(one.agent)}</strong>
                                {one.current && <span className="badge here">this browser</span>}
                                <div className="quiet">
                                    from {one.peer}, since <Ago at={one.createdAt} />, seen{' '}
                                    <Ago at={one.seenAt} />
                                </div>
                            </div>
                            {!one.current && (
                                <ActButton
                                    order={() => ({
                                        method: 'DELETE',
                                        path: `/api/v1/sessions/${encodeURIComponent(one.id)}`,
                                    })}
                                    after={again}
                                    done={() => 'That browser is signed out.'}
                                    aria-label={`Sign out ${browserOf(one.agent)} from ${one.peer}`}
                                >
                                    Sign out
                                </ActButton>
                            )}
                        </li>
                    ))}
                </ul>
            )}
        </section>
    );
}

function Password() {
    const [old, setOld] = useState('');
    const [next, setNext] = useState('');
    const isShort = next !== '' && [...next].length < 10;
    const change = useOrder<unknown, void>(
        () => ({ method: 'PUT', path: '/api/v1/account/password', body: { old, new: next } }),
        () => {
            setOld('');
            setNext('');
            void queries.invalidateQueries({ queryKey: ['/api/v1/sessions'] });
            notifications.show({
                title: 'Confirmed',
                message: 'The password is changed; other browsers have to sign in again.',
                color: 'green',
            });
        },
    );
    const send = (event: FormEvent) => {
        event.preventDefault();
        change.mutate();
    };
    return (
        <section aria-labelledby="password">
            <h2 id="password">Password</h2>
            <form onSubmit={send} className="door-form" style={{ maxWidth: 320 }}>
                <PasswordInput
                    label="The one of now"
                    autoComplete="current-password"
                    value={old}
                    onChange={(event) => setOld(event.currentTarget.value)}
                />
                <PasswordInput
                    label="The new one"
                    autoComplete="new-password"
                    description="At least 10 characters."
                    error={isShort ? 'still too short' : undefined}
                    value={next}
                    onChange={(event) => setNext(event.currentTarget.value)}
                />
                {change.error && <Problem error={change.error} title="Not changed" />}
                <Button
                    type="submit"
                    variant="default"
                    disabled={old === '' || next === '' || isShort || change.isPending}
                >
                    {change.isPending ? 'Sent…' : 'Change the password'}
                </Button>
            </form>
        </section>
    );
}
