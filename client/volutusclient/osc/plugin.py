"""What the OpenStack client asks of a plugin: its name, its options, and how to make its client."""

from typing import Any

from osc_lib import utils

from volutusclient.api import SERVICE_TYPE, Billing

DEFAULT_API_VERSION = "1"
API_VERSION_OPTION = "os_billing_api_version"
API_NAME = "billing"
API_VERSIONS = {"1": "volutusclient.api.Billing"}


def make_client(instance: Any) -> Billing:
    """The client of the cloud that was chosen."""
    return Billing(instance.session, instance.region_name, instance.interface)


def build_option_parser(parser: Any) -> Any:
    """The version, as every service has it."""
    parser.add_argument(
        "--os-billing-api-version",
        metavar="<billing-api-version>",
        default=utils.env("OS_BILLING_API_VERSION"),
        help=f"Version of the {SERVICE_TYPE} API, default: {DEFAULT_API_VERSION}",
    )
    return parser
