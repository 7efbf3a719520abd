import {
    Button,
    Group,
    Modal,
    Radio,
    SegmentedControl,
    Select,
    Stack,
    Text,
    TextInput,
} from '@mantine/core';
import { IconUserPlus } from '@tabler/icons-react';
import { useState, type FormEvent } from 'react';
import type { Page as Listed, Schemas } from '../../api/client.ts';
import { queries, useIsAdmin, useOrder, useRead, useSession } from '../../api/queries.ts';
import { useActs } from '../../app/acts.ts';
import { paths } from '../../app/paths.ts';
import { Problem } from '../../app/problem.tsx';
import { Initials } from '../../app/shell.tsx';
import { mayChange, rolesFor, type Role } from '../../logic/roles.ts';
import { ActButton } from '../../parts/confirm.tsx';
import { CopyBox } from '../../parts/copy.tsx';
import { Empty, Page, Waiting } from '../../parts/page.tsx';
import { Name } from '../../parts/text.tsx';
import { Ago } from '../../parts/time.tsx';

type Member = Schemas['Member'];
type Invitation = Schemas['Invitation'];

const membersPath = '/api/v1/members';
const invitationsPath = '/api/v1/invitations';
const again = (path: string) => void queries.invalidateQueries({ queryKey: [path] });

const meanings: Record<Role, string> = {
    owner: 'Everything, and the only ones who change owners.',
    admin: 'Settings, permissions, tokens, members who are no owners, and the audit log.',
    member: 'Sees everything but the audit log. Acts in repositories that they may write to at GitHub.',
};

export default function Members() {
    const isAdmin = useIsAdmin();
    const [isInviting, setInviting] = useState(false);
    const members = useRead<Listed<Member>>({ path: membersPath, on: ['members'] });
    useActs(
        isAdmin ? [{ id: 'invite', label: 'Invite somebody', run: () => setInviting(true) }] : [],
    );
    return (
        <Page
            title="Members"
            sub="Who may sign in to this workspace, and what they may do."
            isNarrow
            acts={
                isAdmin && (
                    <Button
                        leftSection={<IconUserPlus size={15} aria-hidden />}
                        onClick={() => setInviting(true)}
                    >
                        Invite
                    </Button>
                )
            }
        >
            {members.isPending && <Waiting />}
            {members.error && (
                <Problem error={members.error} again={() => void members.refetch()} />
            )}
            {members.data && members.data.items.length === 0 && (
                <Empty title="No person has an account here">
                    This workspace is used with API tokens only.{' '}
                    <span className="mono">signalbox bootstrap --link</span> prints a link that
                    makes the first account.
                </Empty>
            )}
            {members.data && members.data.items.length > 0 && (
                <ul className="few" aria-label="Members">
                    {members.data.items.map((one) => (
                        <MemberLine key={one.id} member={one} all={members.data.items} />
                    ))}
                </ul>
            )}
            {isAdmin && <Invitations />}
            <dl className="roles">
                {(Object.keys(meanings) as Role[]).map((role) => (
                    <div key={role}>
                        <dt>{role}</dt>
                        <dd className="quiet">{meanings[role]}</dd>
                    </div>
                ))}
            </dl>
            {isInviting && <Invite close={() => setInviting(false)} />}
        </Page>
    );
}

function MemberLine(props: { member: Member; all: Member[] }) {
    const { member } = props;
    const session = useSession();
    const isMe = session.person?.id === member.id;
    const isLastOwner =
        member.role === 'owner' && props.all.filter((one) => one.role === 'owner').length === 1;
    const may =
        mayChange(session.role, session.rights.includes('admin'), member.role) && !isLastOwner;
    const mayGo = may || (isMe && !isLastOwner);
    const change = useOrder<unknown, Role>(
        (role) => ({
            method: 'PATCH',
            path: `${membersPath}/${encodeURIComponent(member.id)}`,
            body: { role },
        }),
        () => again(membersPath),
    );
    const name = member.name || member.login;
    return (
        <li>
            <Group gap={10} wrap="nowrap" style={{ minWidth: 0 }}>
                <Initials name={name} size={28} />
                <div style={{ minWidth: 0 }}>
                    <strong>
                        <Name>{name}</Name>
                    </strong>
                    {isMe && <span className="badge here">you</span>}
                    <div className="quiet">
                        {member.source === 'github' ? (
                            <>
                                <Name>{member.login}</Name> at GitHub
                            </>
                        ) : (
                            'password'
                        )}
                        {member.seenAt !== null && (
                            <>
                                , seen <Ago at={member.seenAt} />
                            </>
                        )}
                    </div>
                    {change.error && <Problem error={change.error} title="The role is as it was" />}
                </div>
            </Group>
            <Group gap={8} wrap="nowrap">
                {may ? (
                    <Select
                        aria-label={`Role of ${name}`}
                        data={rolesFor(session.role)}
                        value={member.role}
                        allowDeselect={false}
                        disabled={change.isPending}
                        w={110}
                        onChange={(role) =>
                            role && role !== member.role && change.mutate(role as Role)
                        }
                    />
                ) : (
                    <span
                        className="quiet"
                        title={isLastOwner ? 'The last owner stays one.' : undefined}
                    >
                        {member.role}
                    </span>
                )}
                {mayGo && (
                    <ActButton
                        isGrave
                        order={() => ({
                            method: 'DELETE',
                            path: isMe
                                ? '/api/v1/account/membership'
                                : `${membersPath}/${encodeURIComponent(member.id)}`,
                        })}
                        after={() =>
                            isMe ? window.location.assign(paths.signIn()) : again(membersPath)
                        }
                        aria-label={isMe ? 'Leave this workspace' : `Remove ${name}`}
                        ask={{
                            title: isMe ? 'Leave this workspace?' : `Remove ${name}?`,
                            text: 'Every browser of theirs is signed out at once. What they did stays in the audit log.',
                            word: isMe ? 'Leave' : 'Remove',
                            isGrave: true,
                        }}
                    >
                        {isMe ? 'Leave' : 'Remove'}
                    </ActButton>
                )}
            </Group>
        </li>
    );
}

function Invitations() {
    const invitations = useRead<Listed<Invitation>>({ path: invitationsPath, on: ['members'] });
    if (!invitations.data || invitations.data.items.length === 0) return null;
    return (
        <section aria-labelledby="invitations">
            <h2 id="invitations">Invited</h2>
            <ul className="few">
                {invitations.data.items.map((one) => (
                    <li key={one.id}>
                        <div>
                            <strong>
                                {one.login ? <Name>{one.login}</Name> : 'Whoever has the link'}
                            </strong>{' '}
                            <span className="badge">{one.role}</span>
                            <div className="quiet">
                                {one.login
                                    ? 'signs in with GitHub'
                                    : 'makes an account with a password'}
                                {one.createdBy && (
                                    <>
                                        , invited by <Name>{one.createdBy}</Name>
                                    </>
                                )}
                                {one.expiresAt && (
                                    <>
                                        , ends <Ago at={one.expiresAt} />
                                    </>
                                )}
                            </div>
                        </div>
                        <ActButton
                            order={() => ({
                                method: 'DELETE',
                                path: `${invitationsPath}/${encodeURIComponent(one.id)}`,
                            })}
                            after={() => again(invitationsPath)}
                            done={() => 'The link does not work any more.'}
                        >
                            Take back
                        </ActButton>
                    </li>
                ))}
            </ul>
        </section>
    );
}

function Invite(props: { close: () => void }) {
    const session = useSession();
    const [role, setRole] = useState<Role>('member');
    const [how, setHow] = useState<'link' | 'github'>('link');
    const [login, setLogin] = useState('');
    const invite = useOrder<Invitation, void>(
        () => ({
            method: 'POST',
            path: invitationsPath,
            body: how === 'github' ? { role, login: login.trim() } : { role },
        }),
        () => again(invitationsPath),
    );
    const send = (event: FormEvent) => {
        event.preventDefault();
        invite.mutate();
    };
    const made = invite.data;
    return (
        <Modal opened onClose={props.close} title={made ? 'Invited' : 'Invite somebody'}>
            {made ? (
                <Stack gap={12}>
                    <Text size="sm">
                        {made.login
                            ? `${made.login} gets in by signing in with GitHub, or with this link:`
                            : 'Send this link to one person. It works once, and it is not shown again:'}
                    </Text>
                    <CopyBox text={made.url ?? ''} word="Copy the link" done={props.close} />
                </Stack>
            ) : (
                <form onSubmit={send}>
                    <Stack gap={14}>
                        <SegmentedControl
                            aria-label="How they sign in"
                            value={how}
                            onChange={(value) => setHow(value as 'link' | 'github')}
                            data={[
                                { value: 'link', label: 'By a link, with a password' },
                                { value: 'github', label: 'By their GitHub login' },
                            ]}
                        />
                        {how === 'github' && (
                            <TextInput
                                label="GitHub login"
                                value={login}
                                required
                                withAsterisk={false}
                                onChange={(event) => setLogin(event.currentTarget.value)}
                            />
                        )}
                        <Radio.Group
                            label="Role"
                            value={role}
                            onChange={(value) => setRole(value as Role)}
                        >
                            <Stack gap={6} mt={4}>
                                {rolesFor(session.role).map((one) => (
                                    <Radio
                                        key={one}
                                        size="xs"
                                        value={one}
                                        label={one}
                                        description={meanings[one]}
                                    />
                                ))}
                            </Stack>
                        </Radio.Group>
                        {invite.error && (
                            <Problem error={invite.error} title="Nobody was invited" />
                        )}
                        <Group justify="flex-end" gap={8}>
                            <Button variant="default" onClick={props.close}>
                                Leave it
                            </Button>
                            <Button
                                type="submit"
                                disabled={
                                    invite.isPending || (how === 'github' && login.trim() === '')
                                }
                            >
                                {invite.isPending ? 'Sent…' : 'Invite'}
                            </Button>
                        </Group>
                    </Stack>
                </form>
            )}
        </Modal>
    );
}
