import { Button, Group, Modal, Radio, Select, Stack, Text, TextInput } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { useState, type FormEvent } from 'react';
import type { Page as Listed, Schemas } from '../../api/client.ts';
import { queries, useOrder, usePages, useRead } from '../../api/queries.ts';
import { useActs } from '../../app/acts.ts';
import { Problem } from '../../app/problem.tsx';
import { ActButton } from '../../parts/confirm.tsx';
import { CopyBox } from '../../parts/copy.tsx';
import { Empty, Page, Waiting } from '../../parts/page.tsx';
import { Name } from '../../parts/text.tsx';
import { Ago } from '../../parts/time.tsx';

type Token = Schemas['Token'];
const path = '/api/v1/tokens';
const again = () => void queries.invalidateQueries({ queryKey: [path] });

export default function Tokens() {
    const tokens = usePages<Token>({ path, on: ['members'] });
    const [isMaking, setMaking] = useState(false);
    useActs([{ id: 'token', label: 'Make a token', run: () => setMaking(true) }]);
    return (
        <Page
            title="Tokens"
            sub="For the command line and for programs. A token is shown once, when it is made."
            isNarrow
            acts={
                <Button
                    leftSection={<IconPlus size={15} aria-hidden />}
                    onClick={() => setMaking(true)}
                >
                    New token
                </Button>
            }
        >
            {tokens.isPending && <Waiting />}
            {tokens.error && <Problem error={tokens.error} again={tokens.again} />}
            {!tokens.isPending && !tokens.error && tokens.items.length === 0 && (
                <Empty title="There is no token">
                    Workflows need none: they come with the identity that GitHub gives them. A token
                    is for people on the command line and for programs of your own.
                </Empty>
            )}
            {tokens.items.length > 0 && (
                <ul className="few" aria-label="Tokens">
                    {tokens.items.map((token) => (
                        <TokenLine key={token.id} token={token} />
                    ))}
                </ul>
            )}
            {tokens.hasMore && (
                <Group>
                    <Button variant="default" onClick={tokens.more}>
                        More
                    </Button>
                </Group>
            )}
            {isMaking && <NewToken close={() => setMaking(false)} />}
        </Page>
    );
}

function TokenLine(props: { token: Token }) {
    const { token } = props;
    const isOver =
        token.revokedAt !== null ||
        (token.expiresAt !== null && Date.parse(token.expiresAt) < Date.now());
    return (
        <li>
            <div style={{ minWidth: 0 }}>
                <strong>
                    <Name>{token.name}</Name>
                </strong>{' '}
                <span className="badge">{token.role}</span>
                {token.repositoryId !== null && <span className="badge here">one repository</span>}
                <div className="quiet">
                    made <Ago at={token.createdAt} />
                    {token.createdBy && (
                        <>
                            {' '}
                            by <Name>{token.createdBy}</Name>
                        </>
                    )}
                    , used <Ago at={token.usedAt} none="never" />
                    {token.revokedAt ? (
                        <>
                            , revoked <Ago at={token.revokedAt} />
                        </>
                    ) : (
                        token.expiresAt && (
                            <>
                                , {isOver ? 'ended' : 'ends'} <Ago at={token.expiresAt} />
                            </>
                        )
                    )}
                </div>
            </div>
            {!isOver && (
                <ActButton
                    isGrave
                    order={() => ({
                        method: 'DELETE',
                        path: `${path}/${encodeURIComponent(token.id)}`,
                    })}
                    after={again}
                    done={() => 'The token does not work any more.'}
                    aria-label={`Revoke ${token.name}`}
                    ask={{
                        title: `Revoke ${token.name}?`,
                        text: 'Whatever uses it is refused from now on.',
                        word: 'Revoke',
                        isGrave: true,
                    }}
                >
                    Revoke
                </ActButton>
            )}
        </li>
    );
}

const lives = [
    { value: '604800', label: '7 days' },
    { value: '7776000', label: '90 days' },
    { value: '31536000', label: 'a year' },
    { value: '', label: 'until it is revoked' },
];

function NewToken(props: { close: () => void }) {
    const [name, setName] = useState('');
    const [role, setRole] = useState('member');
    const [life_s, setLife] = useState('7776000');
    const [repository, setRepository] = useState('');
    const repositories = useRead<Listed<Schemas['Repository']>>({
        path: '/api/v1/repositories',
        query: { limit: 500 },
        on: ['repositories'],
    });
    const make = useOrder<Token, void>(
        () => ({
            method: 'POST',
            path,
            body: {
                name: name.trim(),
                role,
                ...(repository === '' ? {} : { repositoryId: Number(repository) }),
                ...(life_s === '' ? {} : { ttl: Number(life_s) }),
            },
        }),
        again,
    );
    const send = (event: FormEvent) => {
        event.preventDefault();
        make.mutate();
    };
    if (make.data)
        return (
            <Modal opened onClose={props.close} title="The token" closeOnClickOutside={false}>
                <Stack gap={12}>
                    <Text size="sm">
                        Copy it now: it is stored hashed, and nobody can show it again.
                    </Text>
                    <CopyBox text={make.data.token ?? ''} done={props.close} />
                </Stack>
            </Modal>
        );
    return (
        <Modal opened onClose={props.close} title="New token">
            <form onSubmit={send}>
                <Stack gap={12}>
                    <TextInput
                        label="Name"
                        description="Shown beside what it did, in the audit log."
                        data-autofocus
                        required
                        withAsterisk={false}
                        value={name}
                        onChange={(event) => setName(event.currentTarget.value)}
                    />
                    <Radio.Group label="May" value={role} onChange={setRole}>
                        <Stack gap={6} mt={4}>
                            <Radio size="xs" value="member" label="read and operate" />
                            <Radio
                                size="xs"
                                value="admin"
                                label="everything: settings, permissions, tokens"
                            />
                        </Stack>
                    </Radio.Group>
                    <Select
                        label="Where"
                        searchable
                        data={[
                            { value: '', label: 'every repository' },
                            ...(repositories.data?.items ?? []).map((one) => ({
                                value: String(one.id),
                                label: `${one.owner}/${one.name}`,
                            })),
                        ]}
                        value={repository}
                        allowDeselect={false}
                        onChange={(value) => setRepository(value ?? '')}
                    />
                    <Select
                        label="How long"
                        data={lives}
                        value={life_s}
                        allowDeselect={false}
                        onChange={(value) => setLife(value ?? '')}
                    />
                    {make.error && <Problem error={make.error} title="No token was made" />}
                    <Group justify="flex-end" gap={8}>
                        <Button variant="default" onClick={props.close}>
                            Leave it
                        </Button>
                        <Button type="submit" disabled={name.trim() === '' || make.isPending}>
                            {make.isPending ? 'Sent…' : 'Make it'}
                        </Button>
                    </Group>
                </Stack>
            </form>
        </Modal>
    );
}
