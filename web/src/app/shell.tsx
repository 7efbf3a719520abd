/* The frame round every page: pages at the left, the page itself, the palette, the keys. */
import {
    ActionIcon,
    Button,
    Menu,
    Modal,
    Switch,
    Text,
    Tooltip,
    UnstyledButton,
    useMantineColorScheme,
    VisuallyHidden,
} from '@mantine/core';
import { spotlight } from '@mantine/spotlight';
import {
    IconCheck,
    IconDeviceDesktop,
    IconLogout,
    IconMenu2,
    IconMoon,
    IconSearch,
    IconSelector,
    IconSun,
    IconUser,
} from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Outlet, useLocation } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { ApiError, call } from '../api/client.ts';
import { live, useConnection } from '../api/live.ts';
import { queries, readSession, sessionKey, useIsAdmin, useSession } from '../api/queries.ts';
import { Go, useGo } from '../parts/go.tsx';
import { useBindings, useKeys, useKeysSwitch } from './keys.ts';
import { pages, type PageRow } from './pages.ts';
import { Palette } from './palette.tsx';
import { paths } from './paths.ts';

export function Shell() {
    const [isMenuOpen, setMenuOpen] = useState(false);
    const [isHelpOpen, setHelpOpen] = useState(false);
    const location = useLocation();
    const go = useGo();
    useEffect(() => {
        live.start();
        return () => live.stop();
    }, []);
    useEffect(() => setMenuOpen(false), [location.pathname]);
    const { error } = useQuery({
        queryKey: sessionKey,
        queryFn: ({ signal }) => readSession(signal),
    });
    const isOut = error instanceof ApiError && error.status === 401;
    useEffect(() => {
        // Ended while the page was open: by time, by an admin, or from another browser.
        if (isOut) window.location.assign(paths.signIn(location.href));
    }, [isOut, location.href]);
    const shown = usePagesShown();
    useKeys([
        { keys: '?', doc: 'Show the keys', run: () => setHelpOpen(true) },
        { keys: '/', doc: 'To the filter of this page', run: focusFilter },
        ...shown
            .filter((row) => row.key)
            .map((row) => ({
                keys: `g ${row.key}`,
                doc: `Go to ${row.title}`,
                run: () => go(row.path),
            })),
    ]);
    return (
        <div className="shell">
            <a className="shell-skip" href="#page">
                Skip to the page
            </a>
            <nav className="shell-side" data-open={isMenuOpen} aria-label="Pages">
                <Workspace />
                <SearchButton />
                <Group name="work" rows={shown} />
                <div className="shell-group">Workspace</div>
                <Group name="house" rows={shown} />
                <div style={{ flex: 1 }} />
                <ConnectionLine />
                <Person onKeys={() => setHelpOpen(true)} />
            </nav>
            <div className="shell-main">
                <header className="shell-top">
                    <ActionIcon
                        variant="subtle"
                        color="gray"
                        aria-label="Pages"
                        aria-expanded={isMenuOpen}
                        onClick={() => setMenuOpen(!isMenuOpen)}
                    >
                        <IconMenu2 size={18} />
                    </ActionIcon>
                    <Text fw={600}>Signalbox</Text>
                </header>
                <main className="shell-page" id="page" tabIndex={-1}>
                    <Outlet />
                </main>
            </div>
            <Palette rows={shown} />
            <KeysHelp isOpen={isHelpOpen} close={() => setHelpOpen(false)} />
        </div>
    );
}

function usePagesShown(): PageRow[] {
    const isAdmin = useIsAdmin();
    return pages.filter((row) => row.icon && (isAdmin || !row.isAdmins));
}

/** Every page's filter carries data-filter; `/` goes to the first that is there. */
function focusFilter(): void {
    document.querySelector<HTMLInputElement>('[data-filter]')?.focus();
}

function isUnder(pathname: string, row: PageRow): boolean {
    if (row.path === '/') return pathname === '/' || pathname.startsWith('/batches/');
    return pathname === row.path || pathname.startsWith(`${row.path}/`);
}

function Group(props: { name: PageRow['group']; rows: PageRow[] }) {
    const { pathname } = useLocation();
    return props.rows
        .filter((row) => row.group === props.name)
        .map((row) => {
            const Icon = row.icon!;
            return (
                <Go
                    key={row.path}
                    to={row.path}
                    className="shell-link"
                    aria-current={isUnder(pathname, row) ? 'page' : undefined}
                >
                    <Icon size={16} stroke={1.7} aria-hidden />
                    {row.title}
                </Go>
            );
        });
}

function Workspace() {
    const session = useSession();
    const name = session.workspace.name || session.workspace.id;
    if (session.workspaces.length < 2)
        return (
            <Text fw={600} px={8} pb={6} truncate title={name}>
                {name}
            </Text>
        );
    const choose = async (workspaceId: string) => {
        await call('POST', '/api/v1/session/workspace', { body: { workspaceId } });
        queries.clear();
        window.location.assign('/');
    };
    return (
        <Menu width={220} position="bottom-start">
            <Menu.Target>
                <UnstyledButton className="shell-link">
                    <Text fw={600} truncate style={{ flex: 1 }}>
                        {name}
                    </Text>
                    <VisuallyHidden>: choose another workspace</VisuallyHidden>
                    <IconSelector size={14} aria-hidden />
                </UnstyledButton>
            </Menu.Target>
            <Menu.Dropdown>
                {session.workspaces.map((one) => (
                    <Menu.Item
                        key={one.id}
                        onClick={() => void choose(one.id)}
                        rightSection={
                            one.id === session.workspace.id ? <IconCheck size={14} /> : null
                        }
                    >
                        {one.name || one.id}
                    </Menu.Item>
                ))}
            </Menu.Dropdown>
        </Menu>
    );
}

function SearchButton() {
    return (
        <Button
            variant="default"
            justify="flex-start"
            mb={8}
            leftSection={<IconSearch size={14} aria-hidden />}
            rightSection={<kbd>Ctrl K</kbd>}
            styles={{ section: { marginInlineEnd: 6 }, label: { flex: 1 } }}
            onClick={() => spotlight.open()}
        >
            Find
        </Button>
    );
}

/** Quiet while all is well. */
function ConnectionLine() {
    const state = useConnection();
    if (state === 'live') return null;
    const words = {
        connecting: ['Connecting…', 'What you see may be some seconds old.'],
        polling: [
            'Not live',
            'The stream of changes cannot be had; this page asks every 5 seconds.',
        ],
    } as const;
    return (
        <Tooltip label={words[state][1]}>
            <Text size="xs" c="dimmed" px={8} py={4} role="status">
                {words[state][0]}
            </Text>
        </Tooltip>
    );
}

function Person(props: { onKeys: () => void }) {
    const session = useSession();
    const go = useGo();
    const { colorScheme, setColorScheme } = useMantineColorScheme();
    const name = session.person?.name || session.person?.login || session.token?.name || 'Nobody';
    const signOut = async () => {
        await call('DELETE', '/api/v1/session').catch(() => undefined);
        queries.clear();
        window.location.assign(paths.signIn());
    };
    const schemes = [
        { value: 'auto', label: 'As the system', icon: IconDeviceDesktop },
        { value: 'light', label: 'Light', icon: IconSun },
        { value: 'dark', label: 'Dark', icon: IconMoon },
    ] as const;
    return (
        <Menu width={210} position="top-start">
            <Menu.Target>
                <UnstyledButton className="shell-link">
                    <Initials name={name} />
                    <Text truncate style={{ flex: 1 }}>
                        {name}
                    </Text>
                    <VisuallyHidden>: account and appearance</VisuallyHidden>
                </UnstyledButton>
            </Menu.Target>
            <Menu.Dropdown>
                <Menu.Label>{session.role}</Menu.Label>
                {session.person && (
                    <Menu.Item
                        leftSection={<IconUser size={14} />}
                        onClick={() => go(paths.account())}
                    >
                        Your account
                    </Menu.Item>
                )}
                <Menu.Item leftSection={<kbd>?</kbd>} onClick={props.onKeys}>
                    Keys
                </Menu.Item>
                <Menu.Divider />
                <Menu.Label>Appearance</Menu.Label>
                {schemes.map(({ value, label, icon: Icon }) => (
                    <Menu.Item
                        key={value}
                        leftSection={<Icon size={14} />}
                        rightSection={colorScheme === value ? <IconCheck size={14} /> : null}
                        onClick={() => setColorScheme(value)}
                    >
                        {label}
                    </Menu.Item>
                ))}
                <Menu.Divider />
                <Menu.Item leftSection={<IconLogout size={14} />} onClick={() => void signOut()}>
                    Sign out
                </Menu.Item>
            </Menu.Dropdown>
        </Menu>
    );
}

/** Pictures of people come from other hosts; initials do not. */
export function Initials(props: { name: string; size?: number }) {
    const letters = props.name
        .split(/[\s._-]+/)
        .filter(Boolean)
        .slice(0, 2)
        .map((word) => [...word][0]!.toUpperCase())
        .join('');
    const size = props.size ?? 20;
    return (
        <span
            aria-hidden
            style={{
                width: size,
                height: size,
                flex: 'none',
                borderRadius: '50%',
                display: 'inline-grid',
                placeItems: 'center',
                fontSize: size * 0.45,
                fontWeight: 600,
                background: 'var(--ground-chosen)',
                color: 'var(--tone-busy)',
            }}
        >
            {letters}
        </span>
    );
}

function KeysHelp(props: { isOpen: boolean; close: () => void }) {
    const bindings = useBindings();
    const [isOn, setOn] = useKeysSwitch();
    const unique = bindings.filter(
        (one, i) => bindings.findIndex((other) => other.keys === one.keys) === i,
    );
    return (
        <Modal opened={props.isOpen} onClose={props.close} title="Keys" size="sm">
            <Switch
                mb={12}
                checked={isOn}
                onChange={(event) => setOn(event.currentTarget.checked)}
                label="Keys without Ctrl do something"
            />
            <table style={{ borderSpacing: '0 6px' }}>
                <tbody>
                    <KeyLine keys="Ctrl K" doc="Find a page or an act" />
                    {unique.map((one) => (
                        <KeyLine key={one.keys} keys={one.keys} doc={one.doc} />
                    ))}
                </tbody>
            </table>
        </Modal>
    );
}

function KeyLine(props: { keys: string; doc: string }) {
    return (
        <tr>
            <td style={{ width: 90 }}>
                {props.keys.split(' ').map((key) => (
                    <kbd key={key} style={{ marginRight: 4 }}>
                        {key}
                    </kbd>
                ))}
            </td>
            <td>{props.doc}</td>
        </tr>
    );
}
