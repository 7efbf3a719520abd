import { Empty, Page } from '../../parts/page.tsx';

export default function Audit() {
    return (
        <Page title="Audit log">
            <Empty title="This page is not here yet" />
        </Page>
    );
}
