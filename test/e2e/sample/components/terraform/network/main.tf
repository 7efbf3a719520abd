variable "tenant" {}
variable "stage" {}
variable "cidr" {}
